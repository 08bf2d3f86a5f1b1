# Installs the Debian packages named as arguments, as root, without letting any of their servers run.
#
# policy-rc.d (exit 101 = "do not") is Debian's switch against starting services on installation; a file in
# createcluster.d keeps postgresql-common from making its default cluster. Both are taken away again.
set -eu
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/genims-install.conf
made_policy=no

clean_up() {
    rm -f "$cluster"
    [ "$made_policy" = no ] || rm -f "$policy"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
mkdir -p "${cluster%/*}"
echo 'create_main_cluster = false' >"$cluster"

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends "$@"

# Where systemd runs, the units are enabled now and would start at the next boot.
if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        case $package in
            postgresql-*) systemctl --quiet disable postgresql.service || true ;;
            mariadb-server) systemctl --quiet disable mariadb.service || true ;;
            mosquitto) systemctl --quiet disable mosquitto.service || true ;;
            pgbouncer) systemctl --quiet disable pgbouncer.service || true ;;
            prometheus) systemctl --quiet disable prometheus.service || true ;;
        esac
    done
fi
