#!/bin/bash
# README.md and the packages hold on a fresh Debian 12 that has what docs/building.md names and nothing else:
# tests/package/clean_root.sh [FOLDER] makes one in FOLDER, works in it with the last commit, and removes it. For root; mirror,
# proxies and pip's settings are this machine's. ccache is there for time alone: nothing is compiled twice with the same options.
set -u -o pipefail
cannot() { echo "clean-root: $1" && exit 77; }
[ "$(id -u)" = 0 ] || cannot "only root can make a system of its own"
command -v debootstrap >/dev/null || cannot "debootstrap is missing"
if [ -z "${own_mounts-}" ]; then # they end with the script, however it ends
    unshare --mount true 2>/dev/null || cannot "a system cannot be mounted here"
    own_mounts=1 exec unshare --mount "$0" "$@"
fi
sources=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages')
mirror=$(awk '$2 == "bookworm" { print $1; exit }' <<<"$sources")
[ -n "$mirror" ] || cannot "apt has no source of Debian 12"

cd "$(dirname "$0")/../.."
root=${1:-$(mktemp -d)}
mkdir -p "$root"
[ -z "$(ls -A "$root")" ] || cannot "$root is not empty"
root=$(cd "$root" && pwd)
remove() { umount --lazy "$root/proc" 2>/dev/null; rm -rf --one-file-system "$root"; }
trap remove EXIT
trap 'exit 1' TERM INT
failed=0

check() { # NAME COMMAND...
    local name=$1 said start=$SECONDS
    shift
    if said=$("$@" 2>&1); then echo "clean-root $name: ok ($((SECONDS - start)) s)"; else
        echo "clean-root $name: FAILED"
        tail -n 40 <<<"$said"
        failed=1
        return 1
    fi
}
mapfile -t network < <(env | grep -iE '^(pip_[a-z_]+|https?_proxy|no_proxy|ssl_cert_file)=')
inside() { # CC is what it would be, by one name everywhere: to ccache another name is another compiler
    chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        CC=cc CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache "${network[@]}" "$@"
}

# As it is after an installation that asked for nothing.
make_root() {
    debootstrap --variant=minbase bookworm "$root" "$mirror" || return 1
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/throw-away"
    apt-config dump | grep -E '^Acquire::https?::' >"$root/etc/apt/apt.conf.d/network"
    lend /etc/hosts && mount -t proc proc "$root/proc"
}
lend() { # FILE...: this machine's, where it has them
    local file
    for file in "$@"; do
        [ ! -f "$file" ] || cp --parents "$file" "$root" || return 1
    done
}
install_named() {
    inside apt-get update -q &&
        inside DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ccache \
            $(sed -n 's/^apt install \([^#]*\).*/\1/p' docs/building.md) &&
        lend /etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf /etc/ssl/certs/ca-certificates.crt
}
clone() { mkdir "$root/skald" && git archive HEAD | tar x -C "$root/skald"; }

made=$(make_root 2>&1) || cannot "no fresh Debian 12: $(tail -n 1 <<<"$made")"
check "packages of docs/building.md" install_named || exit 1
check "clone" clone || exit 1
inside python3 /skald/tests/docs/readme.py || failed=1
check "find_package, pkg-config, add_subdirectory" inside /skald/tests/package/run.sh /skald/build/library
check "crates, installed and bundled" inside /skald/tests/package/rust.sh /skald/build/rust
exit $failed
