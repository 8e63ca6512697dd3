"""The commands: `zisk` for people, `zisk-coordinator` and `zisk-worker` for service managers."""
