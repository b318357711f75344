// Package worker starts, watches and ends the processes of workers. It does not know the instance that they belong to.
//
// The rules of a worker slot are pure (machine.go). All processes are forked by one thread (spawner.go), or by a
// template that it has started (fork.go), each in a group of its own, with the listening socket as standard input (starter.go, launch.go) and its output on a pipe (output.go,
// pace.go). A worker is asked to stop while it holds no connection (gate.go). What a worker is doing is read from the
// kernel (process.go, reads.go); whether the files of its command have changed, by lstat(2) (program.go). What workers leave
// behind is found and ended (daemonized.go, orphans.go).
//
// It may import the root package, supervisor/{control, listen, prefork, scoreboard}, and no other package of fcgisup.
package worker
