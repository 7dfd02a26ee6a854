# What people and CI run. `make test` is the whole check; everything else is a part of it, or for looking.

CARGO ?= cargo

.PHONY: test format lint build cluster-build unit it stories run cluster bench

## Everything: format, lints, import rules, unit tests, and the tests on the real parts.
test: format lint cluster-build unit it

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

## What real controllers make of something over time, and what the simulated ones do: no part of `make test`.
stories: cluster-build
	$(CARGO) test --package selfhealer --test it stories -- --ignored

build:
	$(CARGO) build --release

## A real control plane with Prometheus and Alertmanager until ctrl-c; prints where they are. NODE=1: with a node that
## runs containers, which needs root and a few packages (it says which).
cluster:
	@$(CARGO) run --quiet --package test-cluster -- up $(if $(NODE),--real-node)

## The main job, to be watched: a pod crashes on the test cluster and is healed.
run:
	@$(CARGO) build --quiet --bin selfhealer
	@$(CARGO) run --quiet --example run -- --program target/debug/selfhealer

## The figures of docs/performance.md.
bench:
	benches/run

## What a real kubelet shows of pods that fail, compared with what was recorded; RECORD=1 records anew. Root, a quarter of an hour.
kubelet-stories: cluster-build
	$(CARGO) test --package selfhealer --test it kubelet::a_real -- --ignored --nocapture
