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
exec 3<&-
echo $box
read -r _ || true
trap "" PIPE # a dead test process reads no complaints
# The init first, so that unshare reaps it; unshare itself when it has no child yet.
kill -KILL $(cat /proc/$box/task/$box/children) 2>/dev/null || kill -KILL $box 2>/dev/null || true
wait $box || true
for _ in $(seq 200); do
	find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
	[[ -e $cgroup ]] || break
	sleep 0.05
done
rmdir "$dir"
`

// initScript (bash) makes the box's file tree under DIR and becomes systemd.
//
// What is at descriptor 3 (layer) is laid over the machine's files. /proc/sys is read-only because the kernel is shared.
const initScript = `set -eu
dir=$1 root=$1/root
mount --make-rprivate /
# Programs that tests install start faster from huge pages, which not every kernel has.
mount -t tmpfs -o mode=755,huge=within_size tmpfs "$dir" 2>/dev/null || mount -t tmpfs -o mode=755 tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$root"
tar -x --xattrs --xattrs-include=trusted.overlay.opaque -C "$dir/upper" -f /dev/fd/3
exec 3<&-
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" overlay "$root"

# systemd mounts what it needs besides; over a /dev that is not a mount it would mount the kernel's own.
mount --bind "$root/dev" "$root/dev"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount --bind "$dir/upper" "$root` + Changes + `"

cd "$root"
mkdir outside
pivot_root . outside
umount -l outside
rmdir outside
echo ready
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin ` + tunables + ` \
	/lib/systemd/systemd --log-target=journal --unit=multi-user.target </dev/null >/dev/null 2>&1
`
