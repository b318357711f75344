# make test is the one command: it installs what the tests need on Debian, then runs them all.

GO         ?= go
PREFIX     ?= /usr
BINDIR     ?= $(PREFIX)/bin
SHAREDIR   ?= $(PREFIX)/share
MANDIR     ?= $(SHAREDIR)/man
UNITDIR    ?= $(PREFIX)/lib/systemd/system
DOCDIR     ?= $(SHAREDIR)/doc/fcgisup
CONFDIR    ?= /etc/fcgisup
BINARY     ?= bin/fcgisup
FUZZTIME   ?= 20s
BOUNDS     ?= .
BENCH      ?=
OUT        ?= dist/bench
TIMEOUT    ?= 20m
SHORT      ?=
SEED       ?= $(shell date +%s)
GOLANGCI   := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
MISSPELL   := $(GO) run github.com/golangci/misspell/cmd/misspell@v0.8.0
# A release is named: make build VERSION=1.2.3. Otherwise the commit names it.
LDFLAGS    := -s -w $(if $(VERSION),-X main.version=$(VERSION))

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

build: ## bin/fcgisup
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/fcgisup ./cmd/fcgisup

test: ## everything, with the race detector; as root also under real systemd (SHORT=1: without the end-to-end tests and browsers)
	testdata/install-deps
	GO='$(GO)' testdata/run-tests $(if $(SHORT),-short,-race -count=1) -timeout $(TIMEOUT) $(TESTFLAGS)

programs: ## the programs of docs/programs.md, mail included, each in its recipe's configuration; as root on Debian 12
	testdata/install-deps
	testdata/install-programs
	GO='$(GO)' PACKAGES=./cmd/e2e testdata/run-tests -tags programs -count=1 -timeout $(TIMEOUT) -run '^(TestRecipes|TestRequestTracker|TestPods|TestManifests)' $(TESTFLAGS)

lint: ## vet, format, words, spelling, golangci-lint
	$(GO) vet ./...
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	cd .package/tools && $(GO) vet ./... && $(GO) test ./... && $(GO) run ./words ../..
	$(MISSPELL) -error $$(find . -name '*.md' -not -path './dist/*') testdata/help example.yaml
	$(GOLANGCI) run

bounds: ## the bounds, as ratios (BOUNDS=Idle for one)
	testdata/install-deps
	$(GO) test -run '^$$' -bench '$(BOUNDS)' -benchtime 1x -count=1 -timeout $(TIMEOUT) ./cmd/e2e

bench: TIME ?= short
bench: build ## fcgisup beside its peers (BENCH=steady,3 for some tables, TIME=full, OUT=directory)
	testdata/bench/install
	$(GO) build -trimpath -o bin/fcgisup-bench ./cmd/fcgisup-bench
	bin/fcgisup-bench --tables '$(BENCH)' --time $(TIME) --out '$(OUT)' $(BENCHFLAGS)

chaos: TIME ?= 2m
chaos: build ## faults at random under load, and what is promised (SEED=7 TIME=2m); as root in a box
	testdata/install-deps
	$(GO) build -o bin/fcgisup-bench ./cmd/fcgisup-bench
	bin/fcgisup-bench chaos --fcgisup bin/fcgisup --seed $(SEED) --time $(TIME)

fuzz: ## every fuzz target for FUZZTIME
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' testdata/run-fuzz

golden: ## writes testdata/cases, testdata/help and the configuration reference
	$(GO) test -count=1 -run 'TestCases$$|TestHelp$$|TestReference$$' ./cmd/fcgisup -update
	$(GO) test -count=1 -run 'TestCases$$' ./cmd/fcgisup/internal/foreign -update

picture: build ## docs/demo-light.svg and docs/demo-dark.svg: what the demo prints on a terminal
	mkdir -p dist
	script -qec 'stty cols 100; bin/fcgisup demo --once' /dev/null </dev/null >dist/demo.txt
	for theme in light dark; do (cd .package/tools && $(GO) run . picture $$theme 'fcgisup demo' 'The upstream for nginx') <dist/demo.txt >docs/demo-$$theme.svg || exit 1; done

man: build ## dist/man: a page for each command, and fcgisup.yaml(5)
	rm -rf dist/man
	mkdir -p dist/man
	CGO_ENABLED=0 $(GO) build -tags man -trimpath -ldflags '$(LDFLAGS)' -o bin/fcgisup-man ./cmd/fcgisup
	bin/fcgisup-man man dist/man

# A failing writer must not leave an empty file.
install: SHELL := bash
install: .SHELLFLAGS := -eo pipefail -c
install: man ## what the package holds, below DESTDIR and PREFIX
	install -Dm755 $(BINARY) $(DESTDIR)$(BINDIR)/fcgisup
	bin/fcgisup monitor --print-unit | sed 's,/usr/bin/fcgisup,$(BINDIR)/fcgisup,' | install -Dm644 /dev/stdin $(DESTDIR)$(UNITDIR)/fcgisup-monitor.service
	for page in dist/man/*; do gzip -9nc $$page | install -Dm644 /dev/stdin $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}.gz || exit 1; done
	bin/fcgisup completion bash | install -Dm644 /dev/stdin $(DESTDIR)$(SHAREDIR)/bash-completion/completions/fcgisup
	bin/fcgisup completion zsh | install -Dm644 /dev/stdin $(DESTDIR)$(SHAREDIR)/zsh/vendor-completions/_fcgisup
	bin/fcgisup completion fish | install -Dm644 /dev/stdin $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/fcgisup.fish
	install -Dm644 example.yaml $(DESTDIR)$(DOCDIR)/examples/fcgisup.yaml
	install -m644 testdata/grafana/fcgisup.json $(DESTDIR)$(DOCDIR)/examples/grafana.json
	install -m644 testdata/alerts/fcgisup.yml $(DESTDIR)$(DOCDIR)/examples/prometheus-alerts.yml
	install -d $(DESTDIR)$(CONFDIR)

package: ## dist/*.deb for amd64 and arm64; ARCHES=amd64 makes one
	GO='$(GO)' VERSION='$(VERSION)' .package/build

image: build ## dist/fcgisup.oci.tar: the program alone, for COPY --from=fcgisup / / (podman load -i)
	mkdir -p dist
	cd .package/tools && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) run . image $(or $(VERSION),latest) ../../dist/fcgisup.oci.tar $$($(GO) env GOARCH)=../../bin/fcgisup

release: ## dist/release: packages, binaries and an image of VERSION, with their sums and the list of libraries
	GO='$(GO)' VERSION='$(VERSION)' .package/release

release-test: ## makes a release twice in fresh clones, compares sums and the files of all packages (FRESH=1: with an empty cache)
	GO='$(GO)' .package/release-test

clean: ## removes what make made
	rm -rf bin dist

.PHONY: help build test programs lint bounds bench chaos fuzz golden picture man install package image release release-test clean
