# Everything a scenario needs, in one line.
# shellcheck shell=bash
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=common.sh
. "$LIB/common.sh"
# shellcheck source=report.sh
. "$LIB/report.sh"
# shellcheck source=cache.sh
. "$LIB/cache.sh"
# shellcheck source=kbuild.sh
. "$LIB/kbuild.sh"
# shellcheck source=backend.sh
. "$LIB/backend.sh"
# shellcheck source=image.sh
. "$LIB/image.sh"
# shellcheck source=net.sh
. "$LIB/net.sh"
# shellcheck source=guest.sh
. "$LIB/guest.sh"
