#!/bin/bash
# First start: makes the data folder with the superuser and database named by POSTGRES_USER, POSTGRES_PASSWORD_FILE or
# POSTGRES_PASSWORD, and POSTGRES_DB. Every later start leaves them as they are, as the official image does.
set -euo pipefail
: "${PGDATA:=/var/lib/postgresql/data}"
export PGDATA
user=${POSTGRES_USER:-postgres}

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  mkdir -p "$PGDATA"
  secret=$(mktemp)
  if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then cat "$POSTGRES_PASSWORD_FILE"; else printf %s "${POSTGRES_PASSWORD:?}"; fi >"$secret"
  initdb --username="$user" --pwfile="$secret" --auth-host=scram-sha-256 --auth-local=trust --encoding=UTF8 >/dev/null
  rm "$secret"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  if [[ ${POSTGRES_DB:-$user} != postgres ]]; then
    pg_ctl --wait --options="-c listen_addresses=''" start >/dev/null
    createdb --username="$user" --host=/var/run/postgresql "${POSTGRES_DB:-$user}"
    pg_ctl --wait stop >/dev/null
  fi
fi
exec "$@" -c listen_addresses='*'
