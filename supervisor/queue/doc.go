// Package queue decides how many connections may wait in the accept queue of a
// listening socket.
//
// A queue that absorbs a burst is good; a queue that stands only adds its length to
// every answer, and when clients give up sooner than that, workers serve clients that have left
// (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; Maurer, "Fail at
// Scale", ACM Queue 2015). [Control] tells the two apart from samples of the queue's
// length and of what has left it, and limits only a standing queue, to what is served
// within [Sample.Wait].
//
// It is pure: the only time that it knows is that of the samples. It sets nothing and
// refuses nothing itself; the kernel does, when the limit is given to listen(2).
//
// It imports nothing of fcgisup.
package queue
