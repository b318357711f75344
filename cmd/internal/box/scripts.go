package box

// keeperScript (bash) holds a box: CGROUP DIR INITSCRIPT. It prints unshare's pid and waits for the end of its
// standard input. The box enters its cgroup before unsharing, so that the namespace's root is that cgroup and
// two boxes never meet. SIGKILL, because SIGTERM makes systemd re-execute itself.
const keeperScript = `set -eu
cgroup=$1 dir=$2 init=$3
mkdir "$cgroup"
bash -c '
	echo $$ >"$1/cgroup.procs"
	exec unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child bash -c "$3" box-init "$2"
' box "$cgroup" "$dir" "$init" &
box=$!
echo $box
read -r _ || true
trap "" PIPE # a dead test process reads no complaints
# The init first, so that unshare reaps it; unshare itself when it has no child yet.
kill -KILL $(cat /proc/$box/task/$box/children) 2>/dev/null || kill -KILL $box 2>/dev/null || true
wait $box || true
for _ in $(seq 100); do
	find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
	[[ -e $cgroup ]] || break
	sleep 0.1
done
rmdir "$dir"
`

// initScript (bash) makes the box's file tree under DIR and becomes systemd.
//
// The admin's own units are dropped, so nothing of this machine runs in the box. Masked is what would touch the
// kernel that both machines share, or only costs time. /proc/sys is read-only for the same reason.
const initScript = `set -eu
dir=$1 root=$1/root
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" overlay "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"

mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for node in null zero full random urandom tty; do
	: >"$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,mode=620,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

units=$root/etc/systemd/system
rm -rf "$units"
mkdir -p "$units"
for unit in \
	systemd-sysctl.service systemd-modules-load.service kmod-static-nodes.service modprobe@.service \
	systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-remount-fs.service \
	sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
	dev-hugepages.mount dev-mqueue.mount systemd-udevd.service systemd-udev-trigger.service \
	systemd-random-seed.service systemd-pstore.service systemd-hwdb-update.service \
	systemd-journal-flush.service systemd-journald-audit.socket systemd-sysusers.service \
	systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer systemd-update-utmp.service \
	systemd-update-utmp-runlevel.service systemd-logind.service getty.target; do
	ln -s /dev/null "$units/$unit"
done

mkdir "$root/run/outside"
cd "$root"
pivot_root . run/outside
umount -l /run/outside
rmdir /run/outside
echo ready
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --log-target=journal --unit=multi-user.target </dev/null >/dev/null 2>&1
`
