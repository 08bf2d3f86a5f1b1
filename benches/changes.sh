#!/bin/sh
# Audited changes a second: private servers in a folder of their own, `genims serve`, and pgbench with single-row transactions by
# an actor; then how many reached MySQL and MongoDB, how late the last one was, and whether the trail is sound.
#
#   benches/changes.sh [SECONDS] [CLIENTS] [ROWS]      ROWS changed by each transaction; programs are taken from target/${PROFILE:-release}
set -eu
seconds=${1:-20} clients=${2:-8} rows=${3:-1}
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$root/target/${PROFILE:-release}:/usr/lib/postgresql/15/bin:$PATH
folder=$(mktemp -d /tmp/genims-changes.XXXXXX)
cd "$folder"
server=
end() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; genims-dev down --dir "$folder/stack" >/dev/null 2>&1 || true; cd /; rm -rf "$folder"; }
trap end EXIT INT TERM
genims-dev up --small --dir "$folder/stack" --env "$folder/.env" postgres mariadb mongodb >/dev/null
genims provision >/dev/null
genims seed plant --factories 1 --lines 1 --machines 1 --sensors 1 >/dev/null
printf 'data_dir = "%s/data"\n[http]\nlisten = "127.0.0.1:0"\n' "$folder" > genims.toml
. ./.env
crm=${GENIMS_CRM_DB_URL:-$(echo "$GENIMS_POSTGRES_URL" | sed 's#/[^/?]*\(?.*\)\{0,1\}$#/genims_crm_db#')}
psql -q "$crm" -c "INSERT INTO leads (lead_id, lead_number, company_name, lead_status) SELECT 'L-' || n, 'L-' || n, 'Company ' || n, 'new' FROM generate_series(1, 20000) AS n"
genims --config genims.toml serve > serve.log 2>&1 & server=$!
waiting() { psql -qAt "$crm" -c 'SELECT count(*) FROM genims_internal.changes'; }
while [ "$(waiting)" != 0 ]; do sleep 0.2; done
cat > change.sql <<SQL
\\set lead random(1, 20000 - $rows)
BEGIN; SET LOCAL genims.actor = 'EMP-000123';
UPDATE leads SET lead_score = coalesce(lead_score, 0) + 1 WHERE lead_id IN (SELECT 'L-' || n FROM generate_series(:lead, :lead + $rows - 1) AS n); COMMIT;
SQL
if [ "$rows" = 1 ]; then sed -i "s/IN (SELECT.*) AS n)/= 'L-' || :lead/" change.sql; fi
began=$(date +%s.%N)
pgbench -n -c "$clients" -j 2 -T "$seconds" -f change.sql "$crm" | grep -E 'tps|transactions actually'
changed=$(date +%s.%N)
echo "waiting at the end of the load: $(waiting)"
while [ "$(waiting)" != 0 ]; do sleep 0.1; done
ended=$(date +%s.%N)
psql -qAt "$crm" -c "SELECT sum(lead_score) || ' changes of leads in PostgreSQL' FROM leads"
echo "$began $changed $ended" | awk '{ printf "load: %.1f s, until the last was in MySQL and MongoDB: %.1f s\n", $2 - $1, $3 - $1 }'
kill "$server"; wait "$server" || true; server=
genims --config genims.toml audit verify
