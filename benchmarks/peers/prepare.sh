#!/usr/bin/env sh
# Brings the queues that the benchmarks compare with, and what they run on: packages from npm and PyPI into .installed,
# which git does not see, and Redis from Debian. UV and PYTHON name the uv that does it and the Python to use.
set -eu

find_program() {
  found=$(command -v "$1") || { echo "There is no $1; run 'make bench-peers'." >&2; exit 1; }
  case "$found" in /*) echo "$found" ;; *) echo "$PWD/$found" ;; esac
}

uv=$(find_program "${UV:-uv}")
python=$(find_program "${PYTHON:-python3}")
cd "$(dirname "$0")"

install_redis() {
  if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root="sudo -n"; else as_root="false"; fi
  if ! command -v apt-get >/dev/null || [ "$as_root" = false ]; then
    echo "BullMQ is measured on redis-server; install it with your system's package manager, then run this again." >&2
    return
  fi
  echo "Installing (once): redis-server"
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
  # The program alone is wanted; Debian starts a service with it.
  if [ -d /run/systemd/system ]; then
    $as_root systemctl disable --now --quiet redis-server
  fi
}

command -v redis-server >/dev/null || install_redis

wanted=$(cat package.json requirements.txt | cksum)
[ "$(cat .installed/wanted 2>/dev/null)" = "$wanted" ] && exit 0
echo "Installing (once): the queues that are compared with"
rm -rf .installed
"$uv" venv --quiet --python "$python" .installed/python
"$uv" pip install --quiet --python .installed/python --requirement requirements.txt
cp package.json .installed/
# Node and npm come as a package of Python's, so that the benchmarks' Node does not depend on the machine's.
PATH="$PWD/.installed/python/bin:$PATH" npm install --prefix .installed --no-package-lock --ignore-scripts \
  --no-audit --no-fund --loglevel=error
echo "$wanted" >.installed/wanted
