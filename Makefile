# Streaming Data Manager: one target for each thing a person does here.
# `make help` lists them. Every target installs or builds what it needs itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo up down test test-unit test-api test-e2e e2e bench images build lint generate

export SDM_CACHE ?= $(HOME)/.cache/sdm
BINARIES := sdm-controller sdm-webhook kubectl-kafka
KAFKA_VERSION ?= 4.3.1

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a real Kafka cluster on a real Kubernetes, and records through it (uses KUBECONFIG if set)
	@deploy/demo/run

up: ## start the local Kubernetes: two nodes, storage, DNS (then: source .local/env)
	@deploy/local/up

down: ## stop what `up` started and leave nothing behind
	@deploy/local/down

build: ## the three programs, as they are released
	@deploy/local/toolchain
	@cargo build --release --locked $(addprefix -p ,sdm-controller sdm-webhook kubectl-kafka)

images: build ## OCI archives of the operator and of Kafka, without Docker
	@deploy/images/build all

test: ## everything that proves the product: unit, API server, real nodes and brokers
	@tests/run unit api e2e

test-unit: ## pure functions only: seconds, once built
	@tests/run unit

test-api: ## on etcd and kube-apiserver
	@tests/run api

test-e2e: ## on two real nodes with real brokers
	@tests/run e2e

e2e: ## the long scenarios on real nodes
	@tests/run e2e-long

bench: ## figures next to what a user would use instead: target/bench/report.json
	@tests/run bench

generate: ## CRDs, RBAC and the CLI reference, from the code; the configuration catalog, from Kafka
	@deploy/config-catalog/dump write
	@UPDATE_GENERATED=1 cargo test --locked -q -p sdm-api -p sdm-webhook -p kubectl-kafka -- --test-threads=1

lint: ## formatting, clippy, dependencies' licences and advisories
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings
	@cargo clippy --workspace --test api --test e2e --locked -- -D warnings
	@tests/lint
