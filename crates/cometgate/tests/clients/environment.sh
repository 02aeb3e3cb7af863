# For the scripts of this directory and below, which source it once `here` is theirs and `program` the program to test:
# finds Python and Node, and sets what all of them need. PYTHON names another Python (3.11 or later), NODE another Node
# (20 or later).

fail() {
    echo "client tests: $*" >&2
    exit 1
}

[[ -x $program ]] || fail "$program is not there; build it with: cargo build --release -p cometgate"
COMETGATE=$(realpath "$program")
export COMETGATE

python=${PYTHON:-}
if [[ -z $python ]]; then
    for candidate in python3.11 python3.12 python3.13 python3.14 python3; do
        # Also asked to run: a version manager's stand-in for a version that is not installed fails only then.
        if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
[[ -n $python ]] || fail "no Python 3.11 or later with venv; name one with PYTHON=…"
node=${NODE:-node}
"$node" -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || fail "no Node 20 or later; name one with NODE=…"
command -v npm >/dev/null || fail "no npm"

# Everything is on loopback; a proxy of the machine's is for the installs only.
export NO_PROXY="127.0.0.1${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# A machine's own settings must not reach the clients.
for name in ${!OPENAI_@} ${!ANTHROPIC_@} ${!LITELLM_@} ${!LANGCHAIN_@} ${!LANGSMITH_@}; do
    unset "$name"
done

# DIRECTORY REQUIREMENTS: an environment of exactly these packages. Kept for the next run: what it holds cannot change.
exact_packages() {
    local wanted
    wanted=$("$python" --version; cat "$2")
    [[ -e $1/wanted && $(<"$1/wanted") == "$wanted" ]] && return
    echo "installing what $(basename "$2") lists"
    rm -rf "$1"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --no-deps --requirement "$2"
    printf '%s' "$wanted" >"$1/wanted"
}
