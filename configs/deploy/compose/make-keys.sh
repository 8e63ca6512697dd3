#!/bin/sh
# Makes the keys of the stack, each in the volume of whom it belongs to, and the coordinator's list of who may connect. What is there stays.
#
#   make-keys.sh FOLDER      with the folders coordinator, worker and operator in it
set -eu
umask 077
cd "$1"

key() { # FILE ROLE NAME: the line of a key that is there, or is made
    verb=new
    [ ! -e "$1" ] || verb=show
    zisk key "$verb" "$1" --role "$2" --name "$3"
}

server=$(key coordinator/coordinator.key coordinator coordinator)
{
    key worker/worker.key worker workers
    key operator/operator.key operator operator
} >coordinator/allowed.new
# Lines that were added by hand stay.
[ ! -e coordinator/allowed ] || grep -vxF -f coordinator/allowed.new coordinator/allowed >>coordinator/allowed.new || true
mv coordinator/allowed.new coordinator/allowed
printf '[security]\nkey_file = "%s"\n%s\n' "$1/worker/worker.key" "$server" >worker/worker.toml
printf '%s\n' "$server" | cut -d'"' -f2 >operator/server.key
