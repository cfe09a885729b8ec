#!/usr/bin/env sh
# Brings what the browser tests need and a fresh machine lacks: Chromium, Node's npm, and axe-core from npm.
set -eu
cd "$(dirname "$0")"

find_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome || true
}

install() {
  if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root="sudo -n"; else as_root="false"; fi
  if ! command -v apt-get >/dev/null || [ "$as_root" = false ]; then
    echo "The browser tests need $*; install it with your system's package manager, then run this again." >&2
    exit 1
  fi
  echo "Installing (once): $*"
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

[ -n "$(find_chromium)" ] || install chromium fonts-noto-core fonts-noto-color-emoji
command -v npm >/dev/null || install npm
wanted=$(sed -n 's/.*"axe-core": "\(.*\)".*/\1/p' package.json)
[ "$(sed -n 's/.*"version": "\(.*\)".*/\1/p' node_modules/axe-core/package.json 2>/dev/null | head -1)" = "$wanted" ] ||
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
