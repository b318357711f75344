# make test is the one command: it installs what the tests need on Debian, then runs them all.

GO         ?= go
PREFIX     ?= /usr
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man/man1
SHAREDIR   ?= $(PREFIX)/share
FUZZTIME   ?= 20s
BENCH      ?= .
TIMEOUT    ?= 20m
GOLANGCI   := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
# A release is named: make build VERSION=1.2.3. Otherwise the commit names it.
LDFLAGS    := -s -w $(if $(VERSION),-X main.version=$(VERSION))

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

build: ## bin/fcgisup
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/fcgisup ./cmd/fcgisup

test: ## everything, with the race detector; as root also under real systemd
	testdata/install-deps
	$(GO) test -race -count=1 -timeout $(TIMEOUT) $(TESTFLAGS) ./...

lint: ## vet, format, golangci-lint
	$(GO) vet ./...
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GOLANGCI) run

bench: ## the bounds, as ratios (BENCH=Idle for one)
	testdata/install-deps
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 1x -count=1 -timeout $(TIMEOUT) ./cmd/fcgisup

fuzz: ## every fuzz target for FUZZTIME
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(cat $$dir/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p'); do \
			echo "$$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; \
	done

golden: ## writes testdata/cases, testdata/help and the configuration reference anew
	$(GO) test -count=1 -run 'TestCases$$|TestHelp$$|TestReference$$' ./cmd/fcgisup -update

man: build ## dist/man: a page for each command, and fcgisup.yaml(5)
	rm -rf dist/man
	mkdir -p dist/man
	bin/fcgisup man dist/man

install: man ## binary, man pages, completions, below DESTDIR and PREFIX
	install -Dm755 bin/fcgisup $(DESTDIR)$(BINDIR)/fcgisup
	install -d $(DESTDIR)$(MANDIR)
	install -m644 dist/man/*.1 $(DESTDIR)$(MANDIR)
	install -Dm644 dist/man/fcgisup.yaml.5 $(DESTDIR)$(MANDIR)/../man5/fcgisup.yaml.5
	install -d $(DESTDIR)$(SHAREDIR)/bash-completion/completions $(DESTDIR)$(SHAREDIR)/zsh/vendor-completions $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d
	bin/fcgisup completion bash >$(DESTDIR)$(SHAREDIR)/bash-completion/completions/fcgisup
	bin/fcgisup completion zsh >$(DESTDIR)$(SHAREDIR)/zsh/vendor-completions/_fcgisup
	bin/fcgisup completion fish >$(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/fcgisup.fish

clean: ## removes what make made
	rm -rf bin dist

.PHONY: help build test lint bench fuzz golden man install clean
