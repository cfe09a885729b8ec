#!/usr/bin/env sh
# Brings what the tests of deployments need and a fresh machine lacks, from Debian: PgBouncer, nginx, Caddy, and
# promtool, which comes with Prometheus.
set -eu

wanted=""
for program in pgbouncer nginx caddy; do
  PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$program" >/dev/null || wanted="$wanted $program"
done
command -v promtool >/dev/null || wanted="$wanted prometheus"
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root="sudo -n"; else as_root="false"; fi
if ! command -v apt-get >/dev/null || [ "$as_root" = false ]; then
  echo "The tests of deployments need$wanted; install them with your system's package manager, then run this again." >&2
  exit 1
fi
echo "Installing (once):$wanted"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # several words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
# The programs alone are wanted; Debian starts a service with each.
if [ -d /run/systemd/system ]; then
  # shellcheck disable=SC2086
  $as_root systemctl disable --now --quiet $wanted
fi
