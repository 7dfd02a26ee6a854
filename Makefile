# What people and CI run. `make test` is the whole check; everything else is a part of it, or for looking.

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: test test-node format lint build image cluster-build unit it stories run cluster bench kubelet-stories test-all

## Everything: format, lints, import rules, unit tests, and the tests on the real parts.
test: format lint cluster-build unit it

## Besides: what takes long, or hangs on the moments of real controllers. Before a release.
test-all: test test-node stories kubelet-stories

format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

## Compiles the test cluster's programs from Go modules, once (about 11 minutes); kept in the user's cache folder.
cluster-build:
	$(CARGO) run --quiet --package test-cluster -- build

unit:
	$(CARGO) test --workspace --lib --bins

it: cluster-build
	$(CARGO) test --package test-cluster --test it
	$(CARGO) test --package selfhealer --test it

## The main job on a real kubelet, selfhealer in a pod of its own image. Needs root and a few packages; it says which.
test-node: cluster-build image
	$(CARGO) test --package test-cluster --test node
	$(CARGO) test --package selfhealer --test node -- --test-threads 3

## What real controllers make of something over time, and what the simulated ones do: no part of `make test`.
stories: cluster-build
	$(CARGO) test --package selfhealer --test it stories -- --ignored

build:
	$(CARGO) build --release

## The container image, as an archive for `docker load` or `ctr images import`.
image: build
	deploy/build-image $(TARGET)/release/selfhealer $(TARGET)/image/selfhealer.tar

## A real control plane with Prometheus and Alertmanager until ctrl-c; prints where they are. NODE=1: with a node that
## runs containers, which needs root and a few packages (it says which).
cluster:
	@$(CARGO) run --quiet --package test-cluster -- up $(if $(NODE),--real-node)

## The main job, to be watched: a pod crashes on the test cluster and is healed.
run:
	@$(CARGO) build --quiet --bin selfhealer
	@$(CARGO) run --quiet --example run -- --program $(TARGET)/debug/selfhealer

## The figures of docs/performance.md.
bench:
	benches/run

## What a real kubelet shows of pods that fail, compared with what was recorded; RECORD=1 records anew. Root, a quarter of an hour.
kubelet-stories: cluster-build
	$(CARGO) test --package selfhealer --test it kubelet::a_real -- --ignored --nocapture
