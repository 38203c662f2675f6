# Everything a developer needs. `make help` lists it.

CACHE   ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/agent-rpc
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
TARGETS  = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: help build demo test lint fuzz bench dist soak clean test-neovim test-vscode vsix

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build bin/agent-rpc
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/agent-rpc ./cmd/agent-rpc

demo: build ## hold a scripted conversation: no key, no network
	bin/agent-rpc demo

test: ## run all tests, with the race detector, and two cross-builds
	scripts/test
	$(MAKE) --no-print-directory dist TARGETS="darwin/arm64 windows/amd64" DIST=$(CACHE)/dist-check

test-neovim: ## run the tests of the Neovim plugin, in Neovim 0.10 and 0.12
	scripts/test-neovim

test-vscode: ## run the tests of the VS Code extension, in VS Code in a browser
	scripts/test-vscode

lint: ## check style and the layers
	scripts/lint

fuzz: ## run every fuzz target for FUZZTIME (10s) each
	scripts/fuzz $(or $(FUZZTIME),10s)

bench: build ## measure: start, memory, steps, streaming, opening
	scripts/bench

vsix: ## package the VS Code extension into dist/, for each platform
	scripts/vsix $(DIST) $(VERSION) $(TARGETS)

DIST ?= dist
dist: ## build the release binaries into dist/
	@for t in $(TARGETS); do \
		os=$${t%/*}; arch=$${t#*/}; ext=; [ $$os = windows ] && ext=.exe; \
		echo "building $$t"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags "$(LDFLAGS)" \
			-o $(DIST)/agent-rpc-$$os-$$arch$$ext ./cmd/agent-rpc || exit 1; \
	done

soak: ## the long forms of the tests: a thousand kills, an hour of fuzzing
	AGENT_RPC_KILLS=1000 go test -race -count=1 -timeout 2h -run 'Kill' ./cmd/agent-rpc/...
	$(MAKE) --no-print-directory fuzz FUZZTIME=2m

clean: ## remove what was built
	rm -rf bin dist
