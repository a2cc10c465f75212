#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# The first process of the machine that tests/kernel/boot makes: mounts what a distribution mounts, gives
# cgroups as systemd does to a user, runs the command and says how it ended.
b=/bin/busybox
say() { echo "init: $*" > /dev/console; }
off() { $b sync; $b poweroff -f; }
must() { "$@" || { say "failed: $*"; off; }; }

$b mkdir -p /proc /sys /dev /host /upper /root
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for m in /modules/*; do must $b insmod "$m"; done

# Root: the host's, read-only, below a layer in memory.
must $b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 root /host
must $b mount -t tmpfs upper /upper
$b mkdir /upper/u /upper/w
must $b mount -t overlay -o lowerdir=/host,upperdir=/upper/u,workdir=/upper/w root /root
for fs in proc sys dev; do must $b mount --move /$fs /root/$fs; done
cd /root || off
$b mkdir -p dev/pts dev/shm
$b ln -s /proc/self/fd dev/fd
must $b mount -t devpts -o gid=5,mode=620,ptmxmode=000 devpts dev/pts
must $b mount -t tmpfs -o mode=1777 shm dev/shm
must $b mount -t tmpfs -o mode=755 run run
must $b mount -t ext4 dev/vda var/tmp
$b chmod 1777 var/tmp
$b ip link set lo up
$b hostname emulated

# A part of the tree that is given to the tests' ordinary user (uid 61234), and we in a group of it.
must $b mount -t cgroup2 cgroup2 sys/fs/cgroup
echo '+memory +pids' > sys/fs/cgroup/cgroup.subtree_control
$b mkdir -p sys/fs/cgroup/given/session
echo '+memory +pids' > sys/fs/cgroup/given/cgroup.subtree_control
for d in given given/session; do
	$b chown 61234 sys/fs/cgroup/$d sys/fs/cgroup/$d/cgroup.procs sys/fs/cgroup/$d/cgroup.subtree_control
done
echo $$ > sys/fs/cgroup/given/session/cgroup.procs

read -r directory < /directory
command=$($b cat /command)
$b stty -F dev/ttyS1 raw -echo
# A root that is a mount, as switch_root(8) makes it, but with us left behind: in a mere chroot nobody
# may make user namespaces.
must $b mount --move . /
{
	$b chroot . /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 TERM=dumb TMPDIR=/var/tmp bash -c "cd '$directory' && $command" < dev/null
	echo $? > /status
} 2>&1 | $b cat > dev/ttyS1 # a pipe: for a terminal some programs would start a pager
$b cat /status > dev/ttyS2
off
