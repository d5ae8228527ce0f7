# Everything here works on a fresh Debian or macOS machine that has Go, make and
# git; `make test` installs the rest. Kept to GNU Make 3.81, which macOS ships.

# Storage back ends of Caddy's certificate tooling that the gateway has no use
# for: without them the binary is smaller and the first build much shorter.
TAGS    := nobadger,nomysql,nopgx
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BINARY  := bin/osc-gateway

# Of a fresh clone the first build compiles Caddy, so tests get time to build.
TEST_TIMEOUT  ?= 20m
CHAOS_TIMEOUT ?= 90m
FUZZTIME      ?= 30s

GO_BUILD := go build -trimpath -tags $(TAGS) -ldflags "-s -w -X main.version=$(VERSION)"
# The race detector needs cgo; -count=1 because most of what the tests depend on
# (the binary, Chromium, Redis) is nothing the test cache knows of.
GO_TEST  := CGO_ENABLED=1 go test -race -count=1 -tags $(TAGS)

# The version is passed above; asking git again fails where it does not trust
# the owner of the directory, as in many containers.
export GOFLAGS := $(shell go env GOFLAGS) -buildvcs=false
export TAGS FUZZTIME

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/osc-gateway
	$(GO_BUILD) -o $(BINARY) ./cmd/osc-gateway

.PHONY: demo
demo: build ## Sign in to a sample app against a simulated OSC
	$(BINARY) demo

.PHONY: run
run: build ## Run the gateway with Caddyfile.example
	$(BINARY) run --config Caddyfile.example

.PHONY: test
test: format-check ## Run every test; installs Chromium, Redis, nginx, Node.js if missing
	scripts/setup-tests $(MAKE) --no-print-directory vet test-all

.PHONY: test-all
test-all:
	@if [ -f bench/go.mod ]; then set -x; cd bench && go vet -tags $(TAGS) ./... && go test -tags $(TAGS) ./...; fi
	$(GO_TEST) -timeout $(TEST_TIMEOUT) ./...

.PHONY: test-fast
test-fast: ## Run the tests that need neither Caddy nor a browser, in seconds
	go test ./internal/...

.PHONY: chaos
chaos: ## Run the long form of the integration tests
	OSC_GATEWAY_CHAOS=long scripts/setup-tests $(MAKE) --no-print-directory chaos-all

.PHONY: chaos-all
chaos-all:
	$(GO_TEST) -v -timeout $(CHAOS_TIMEOUT) ./integration/...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME each (30s)
	scripts/fuzz

.PHONY: cover
cover: ## Say how much of the code its own tests reach (coverage.html)
	go test -tags $(TAGS) -coverprofile=coverage.out -coverpkg=./internal/...,./caddymodule/... ./internal/... ./caddymodule/...
	go tool cover -html=coverage.out -o coverage.html
	go tool cover -func=coverage.out | tail -n 1

.PHONY: golden
golden: ## Write the adapter's golden files anew; read the diff
	go test -tags $(TAGS) ./caddymodule -run Adapt -update

# The benchmark may be a module of its own, so that what it needs stays out of
# the gateway's go.mod.
BENCH := if [ -f bench/go.mod ]; then cd bench && go run -tags $(TAGS) .; else go run -tags $(TAGS) ./bench; fi

.PHONY: bench
bench: build ## Compare the gateway's cost with plain reverse_proxy
	@$(BENCH)

.PHONY: bench-full
bench-full: build ## The same with more rounds and more cases
	@OSC_GATEWAY_BENCH=full; export OSC_GATEWAY_BENCH; $(BENCH)

.PHONY: micro
micro: ## Compare the micro benchmarks with those of another revision (BASE=HEAD)
	scripts/micro $(BASE)

.PHONY: format
format: ## Format the Go code
	gofmt -w .

.PHONY: format-check
format-check:
	@unformatted=$$(gofmt -l .) || exit 1; [ -z "$$unformatted" ] || \
		{ echo "Not formatted (make format mends it):"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## Run go vet
	go vet -tags $(TAGS) ./...

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0

.PHONY: lint
lint: ## Run golangci-lint and, when there is one, shellcheck
	@command -v golangci-lint >/dev/null || { \
		echo "golangci-lint is missing. Install it with one of:"; \
		echo "  go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)"; \
		echo "  brew install golangci-lint"; exit 1; }
	golangci-lint run
	@if command -v shellcheck >/dev/null; then shellcheck scripts/* .ci/run; fi

.PHONY: rules
rules: ## Check the alerts and their cases with promtool (Debian: prometheus)
	@command -v promtool >/dev/null || { \
		echo "promtool is missing. It comes with Prometheus:"; \
		echo "  sudo apt-get install prometheus"; echo "  brew install prometheus"; exit 1; }
	promtool check rules deploy/prometheus/osc-gateway.rules.yml
	promtool test rules deploy/prometheus/osc-gateway.rules.test.yml

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what the code really calls
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) -tags $(TAGS) ./...

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin coverage.out coverage.html
