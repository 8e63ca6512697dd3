# Sourced by the other scripts: makes .venv with the package in it, and sets `bin` to its folder of commands. Not a command of its own.
#
# Rules: the environment is made once and reused; the package is installed again only when something changed that it is built from;
# a machine on which it cannot be made gets one line that says what to install. Callers have changed into the repository's root.

die() {
    echo "$(basename "$0"): $1" >&2
    exit 2
}

# One digest of the sources that the native library is generated and compiled from, and, for a copied installation, of all modules.
source_digest() {
    local folders=(native zisk_actors/air zisk_actors/chips zisk_actors/machine zisk_actors/stark zisk_actors/backends)
    [ "$1" = editable ] || folders=(native zisk_actors)
    {
        find pyproject.toml "${folders[@]}" -type f -not -path '*/__pycache__/*' -not -path '*/_native/*' -not -name '*.so'
    } | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1
}

# install_package copied       as a user does: pip install .
# install_package editable     with the tools for development: pip install -e .[dev]. It serves for `copied` too.
install_package() {
    local mode=$1 base=${PYTHON:-python3} stamp=.venv/.zisk-actors
    bin=$PWD/.venv/bin
    command -v "$base" >/dev/null || die "$base not found; on Debian: apt-get install python3 python3-venv"
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$base is older than Python 3.11; name another with PYTHON="
    if ! "$bin/python" -m pip --version >/dev/null 2>&1; then
        "$base" -c 'import venv, ensurepip' 2>/dev/null ||
            die "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"
        "$base" -m venv .venv || die "could not make the virtual environment .venv"
    fi
    if [ -f "$stamp" ] && { [ "$(cat "$stamp")" = "$mode $(source_digest "$mode")" ] ||
        [ "$(cat "$stamp")" = "editable $(source_digest editable)" ]; }; then
        return
    fi
    echo "installing the package into .venv (this compiles the native library; a few minutes)" >&2
    [ ! -f "$stamp" ] || [ "$(cut -d' ' -f1 "$stamp")" = "$mode" ] || mode=editable # development tools stay where they were installed
    local what=(.)
    [ "$mode" = copied ] || what=(-e '.[dev]')
    rm -rf "$stamp" build/lib # a module that is gone from the sources must not come back from an earlier build
    "$bin/python" -m pip install --quiet --disable-pip-version-check "${what[@]}" >&2 || die "pip install failed; its output is above"
    echo "$mode $(source_digest "$mode")" >"$stamp"
}
