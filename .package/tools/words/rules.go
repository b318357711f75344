package main

import "regexp"

// rule is a word that has a plainer one.
type rule struct {
	word    *regexp.Regexp
	instead string
	// but is what the text from six bytes before the word begins with where it is right.
	but *regexp.Regexp
}

func plain(word, instead string) rule {
	return rule{word: regexp.MustCompile(`(?i)\b(?:` + word + `)\b`), instead: instead}
}

var rules = []rule{
	plain("anew", "again, or fresh"),
	plain("patience", "timeout, or limit"),
	plain("whoever", "the user, the process or the client that"),
	plain("somebody|someone", "a user, a process or a client"),
	plain("nobody|no one", "no user, no process or no client"),
	plain("shall", "must, should or will"),
	plain("mend|mends|mended|mending", "fix"),
	plain("folders?", "directory"),
	plain("all the same", "still, or anyway"),
	plain("tells whether|told whether", "reports whether"),
	plain("testimony|testimonies", "report, or status"),
	plain("of before", "previous"),
	{
		word:    regexp.MustCompile(`(?i)\b(?:is|are|was|were) no\b`),
		instead: "is not a",
		// "there is no X" is right, and so are "is no longer" and comparatives.
		but: regexp.MustCompile(`(?i)^(?:there |.{0,6}\b(?:is|are|was|were) no (?:longer|more than|less|better|worse|[a-z]+er than)\b)`),
	},
}

// exemption is where a word is right: which word (all if empty), in which files, in lines with which text, and why.
type exemption struct {
	word, files, in string
	why             string
}

var exemptions = []exemption{
	{word: "nobody", files: "nginx/effective*.go", in: `"nobody"`, why: "the account of nginx's workers"},
	{word: "nobody", files: "cmd/fcgisup/internal/deploy/group_test.go", in: "obody", why: "an account"},
	{word: "nobody", files: "cmd/fcgisup/internal/doctor/*_test.go", in: `User: "nobody"`, why: "an account"},
	{word: "nobody", files: "supervisor/listen/socket_test.go", in: `"nobody"`, why: "an account"},
	{word: "nobody", files: "supervisor/launch_test.go", in: "nobody", why: "an account"},
	{word: "nobody", files: "cmd/e2e/doctor_test.go", in: "nobody", why: "a group, and a socket where no process listens"},
	{word: "nobody", files: "cmd/e2e/run_failed_test.go", in: "/run/nobody-listens", why: "a path"},
	{word: "folder", files: "cmd/e2e/doctor_test.go", in: "folder", why: "a unit of this name"},
	{word: "folder", files: "nginx/nginx_test.go", in: `{"folder", "/rt/"`, why: "the name of a case"},
	{word: "mended", files: "cmd/e2e/*.go", in: "mended", why: "a file that makes a test's program work"},
	{word: "anew", files: "supervisor/monitor/page/sample_test.go", in: "it is made anew", why: "the output of a program in the screenshots"},
}

// pending are the files whose texts are yet to be rewritten. The list only shrinks.
var pending = []string{}
