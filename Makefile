# countersign: one file, no recursion into folders. `make help` lists the verbs. Objects go to $(B)/<mode>/, so the modes
# never mix; sources are found by wildcard, so a new file needs no edit here.
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: build run bundles test check lint fmt clang asan race unit e2e audit conformance api openapi bench fuzz simulate replay libraries objects lib docs clean help FORCE
MAKEFLAGS += --no-builtin-rules

B ?= build
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

# Debian's Python and what install-deps.sh put beside it come before any other on this machine.
export PATH := $(CURDIR)/build/venv/bin:$(PATH)

# ---- what there is to build
# FOLDERS="base value" builds only those folders of src/ (into the library that unit tests link): work on one part alone.
FOLDERS ?=
ifeq ($(FOLDERS),)
SRC := $(wildcard src/*/*.c src/*/*/*.c src/rego/builtin/*.cc)
else
SRC := $(wildcard $(FOLDERS:%=src/%/*.c) $(FOLDERS:%=src/%/*.cc))
endif
CMD := $(wildcard cmd/*.c)
UNIT := $(wildcard tests/unit/*_test.c tests/unit/*/*_test.c tests/unit/*/*/*_test.c)
RACE := $(wildcard tests/race/*.c)
PLAIN := $(wildcard tests/fault/*.c tests/simulate/*.c)
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
PERF := $(wildcard tests/perf/*.c)

# ---- flags
# libcurl, libarchive, librdkafka, OpenSSL and SQLite are loaded when they are wanted (base/library.h), so the linker does
# not see them.
PACKAGES := libevent libevent_pthreads yaml-0.1 gmp mpfr re2 zlib jansson libnghttp2
LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm

COMMON := -D_GNU_SOURCE -g -fno-common -fno-omit-frame-pointer -fvisibility=hidden -pthread -Iinclude -Isrc -I$(B)/made
BASE := -std=c17 $(COMMON)
WARN_BOTH := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wwrite-strings -Wcast-qual -Wcast-align -Wpointer-arith \
    -Wmissing-declarations -Wredundant-decls -Wformat=2 -Wvla -Walloca -Wconversion -Wsign-conversion \
    -Wdouble-promotion -Wfloat-equal -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference -Winit-self \
    -Wunused-macros -Wdate-time -Werror
WARN := $(WARN_BOTH) -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes -Wnested-externs
GCC := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init -Wtrampolines -Wformat-signedness \
    -Wformat-overflow=2 -Wformat-truncation=2 -Wstringop-overflow=4 -Wbidi-chars=any
CLANG := -Wcomma -Wconditional-uninitialized -Wshorten-64-to-32 -Wimplicit-int-conversion -Wassign-enum \
    -Wunreachable-code -Wno-gnu-statement-expression
CXXBASE := -std=c++17 $(COMMON) -Wall -Wextra -Wshadow -Wcast-qual -Wformat=2 -Wconversion -Werror
HARD := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
    -fcf-protection=full -fPIE
LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed
# DEFS adds macros to every file (DEFS=-DCS_TINY); LTO=1 optimises across files.
DEFS ?=
LTO_FLAGS := $(if $(filter 1,$(LTO)),-flto=auto)

# Each mode: the two compilers, the flags of C, what both languages add, what the linker adds.
MODES := release clang asan tsan fuzz
cc.release := gcc
cxx.release := g++
warn.release := $(WARN) $(GCC)
opt.release := $(HARD) $(LTO_FLAGS)
link.release := $(LINK) $(HARD) $(LTO_FLAGS)

cc.clang := clang
cxx.clang := clang++
warn.clang := $(WARN) $(CLANG)
opt.clang := $(HARD)
link.clang := $(LINK)

# clang -O1, because gcc from -O1 on deletes dead stores that overflow before the sanitizer can see them.
cc.asan := clang
cxx.asan := clang++
warn.asan := $(WARN) $(CLANG)
opt.asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
link.asan := -fsanitize=address,undefined

cc.tsan := clang
cxx.tsan := clang++
warn.tsan := $(WARN) $(CLANG)
opt.tsan := -O1 -fsanitize=thread
link.tsan := -fsanitize=thread

cc.fuzz := clang
cxx.fuzz := clang++
warn.fuzz := $(WARN) $(CLANG)
opt.fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
link.fuzz := -fsanitize=address,undefined,fuzzer

# ---- how each mode is built
define MODE_RULES
OBJ.$(1) := $$(SRC:%=$(B)/$(1)/%)
OBJ.$(1) := $$(patsubst %.c,%.o,$$(patsubst %.cc,%.o,$$(OBJ.$(1))))
CMDOBJ.$(1) := $$(CMD:%.c=$(B)/$(1)/%.o)

$(B)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	@echo "  CC $(1) $$<"
	$$(Q)$$(cc.$(1)) $$(BASE) $$(warn.$(1)) $$(opt.$(1)) $$(DEFS) -MMD -MP -c -o $$@ $$<

$(B)/$(1)/%.o: %.cc
	@mkdir -p $$(@D)
	@echo "  CXX $(1) $$<"
	$$(Q)$$(cxx.$(1)) $$(CXXBASE) $$(opt.$(1)) $$(DEFS) -MMD -MP -c -o $$@ $$<

$(B)/$(1)/libcountersign.a: $$(OBJ.$(1)) $$(if $$(FOLDERS),FORCE)
	@echo "  AR $(1) $$@"
	$$(Q)rm -f $$@ && ar rcs $$@ $$(OBJ.$(1))

$(B)/$(1)/countersign: $$(CMDOBJ.$(1)) $(B)/$(1)/libcountersign.a
	@echo "  LINK $(1) $$@"
	$$(Q)$$(cxx.$(1)) $$(link.$(1)) -o $$@ $$^ $$(LIBS)

$(B)/$(1)/tests/%: $(B)/$(1)/tests/%.o $(B)/$(1)/libcountersign.a
	@echo "  LINK $(1) $$@"
	$$(Q)$$(cxx.$(1)) $$(link.$(1)) -o $$@ $$^ $$(if $$(findstring /unit/,$$@),-lcriterion) $$(LIBS)
endef
$(foreach m,$(MODES),$(eval $(call MODE_RULES,$(m))))

# A fuzz target without libFuzzer goes over the files that it is given.
$(B)/asan/tests/fuzz/fuzz_%: $(B)/asan/tests/fuzz/fuzz_%.o $(B)/asan/tests/fuzz/replay.o $(B)/asan/libcountersign.a
	@echo "  LINK asan $@"
	$(Q)$(cxx.asan) $(link.asan) -o $@ $^ $(LIBS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

$(B)/countersign: $(B)/release/countersign
	$(Q)ln -f $< $@
$(B)/libcountersign.a: $(B)/release/libcountersign.a
	$(Q)ln -f $< $@

# The API's description as numbers for src/server/docs_api.c. A pattern that names no mode: one file for all of them.
$(B)/made/server/openapi.inc: docs/openapi.json
$(B)/made/server/api_page.inc: docs/api.html
$(B)/made/%.inc:
	@mkdir -p $(@D)
	$(Q)od -An -v -tu1 $< | sed 's/  *\([0-9]\)/ \1/g; s/\([0-9]\)\( \|$$\)/\1,\2/g' > $@
$(foreach m,$(MODES),$(B)/$(m)/src/server/docs_api.o): $(B)/made/server/openapi.inc $(B)/made/server/api_page.inc

UNIT_WANTED := $(foreach t,$(UNIT),$(if $(findstring tests/unit/$(T),$(t)),$(t)))
UNIT_BIN := $(UNIT_WANTED:%.c=$(B)/asan/%)
RACE_BIN := $(RACE:%.c=$(B)/tsan/%)
PLAIN_BIN := $(PLAIN:%.c=$(B)/asan/%)
FUZZ_BIN := $(FUZZ:%.c=$(B)/asan/%)
PERF_BIN := $(PERF:%.c=$(B)/release/%)

# ---- verbs
build: $(B)/countersign $(B)/libcountersign.a ## the program and the library: build/countersign (the default)

run: ## install what is needed, build, make demo keys and signed bundles, start on 127.0.0.1:8181
	deploy/build/install-deps.sh build
	$(MAKE) -s -j$$(nproc) build
	deploy/demo.sh

bundles: build ## pack and sign the shipped bundles: ops/emergency-bundle.tar.gz, build/bundles (EMERGENCY_KEY=, BUNDLE_KEY=)
	@deploy/bundles.sh

test: ## install what is needed and run every suite; the last line is "N passed, M failed"
	deploy/build/install-deps.sh test
	@B=$(B) tests/run

check: ## what must pass before a commit: both compilers, lint, unit tests, conformance
	@B=$(B) tests/run build clang lint unit conformance

lint: ## the house rules: layers, fences, banned calls, lengths, format
	tests/lint/run

fmt: ## clang-format over every C file
	clang-format-14 -i $$(git ls-files '*.c' '*.h' '*.cc')

clang: $(B)/clang/countersign ## the same program built by clang, warnings are errors

asan: $(B)/asan/countersign ## the program with ASan and UBSan: build/asan/countersign

unit: $(UNIT_BIN) $(PLAIN_BIN) ## unit tests under ASan and UBSan; T=value/number runs one, FOLDERS links less
	@B=$(B) tests/unit/run $(UNIT_BIN) $(if $(T),,$(PLAIN_BIN))

race: $(RACE_BIN) ## the programs of tests/race under ThreadSanitizer
	@B=$(B) tests/race/run $(RACE_BIN)

replay: $(FUZZ_BIN) ## every fuzz target over its corpus, under ASan and UBSan
	@B=$(B) tests/fuzz/run $(FUZZ_BIN)

SECONDS ?= 60
SEED ?= 1
ifeq ($(F),rego_diff)
fuzz: build
	OPA=$(OPA) COUNTERSIGN=$(abspath $(B)/countersign) tests/fuzz/rego_diff/run --seconds $(SECONDS) --seed $(SEED)
else
DICT = $(wildcard tests/fuzz/dict/$(F).dict)
fuzz: $(B)/fuzz/tests/fuzz/fuzz_$(F) ## libFuzzer on one target: F=json SECONDS=60; new inputs go to build/fuzz/corpus
	@mkdir -p $(B)/fuzz/corpus/$(F)
	ulimit -s 65536 && $< -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=4096 $(DICT:%=-dict=%) $(B)/fuzz/corpus/$(F) \
		tests/fuzz/corpus/$(F)
endif

# MODE=asan runs these suites against the program with sanitizers, MODE=release the cases without them, several times faster.
PROGRAM := $(if $(filter-out release,$(MODE)),$(B)/$(MODE)/countersign,$(B)/countersign)
CONFORMANCE_BIN := $(B)/$(or $(MODE),asan)/tests/conformance/conformance

e2e: $(PROGRAM) ## the suites that run the built program; T=name runs one
	@B=$(B) T=$(T) COUNTERSIGN=$(abspath $(PROGRAM)) tests/run e2e

audit: $(PROGRAM) $(B)/release/tests/perf/audit_bench ## the audit log's suite, with a log of a million records
	@B=$(B) T=audit AUDIT_RECORDS=1000000 COUNTERSIGN=$(abspath $(PROGRAM)) tests/run e2e

openapi: $(PROGRAM) ## schemathesis makes up requests out of docs/openapi.json: EXAMPLES=200 an operation
	@OPENAPI_EXAMPLES=$(or $(EXAMPLES),200) COUNTERSIGN=$(abspath $(PROGRAM)) tests/e2e/openapi_test.py

conformance: $(CONFORMANCE_BIN) ## OPA's cases: CONFORMANCE=dir, CASE=part, WHY=1 groups the failures
	@B=$(B) PROGRAM=$< CONFORMANCE=$(CONFORMANCE) CASE="$(CASE)" WHY=$(WHY) tests/conformance/run

api: $(PROGRAM) ## recorded HTTP scenarios: API_SCENARIOS=dir, T=name
	@B=$(B) SERVER=$(abspath $(PROGRAM)) API_SCENARIOS=$(API_SCENARIOS) T=$(T) WHY=$(WHY) tests/api/run

bench: build $(PERF_BIN) ## this server and opa in turn, ratios; evaluation alone: BENCH=dir, W="authz k8s"
	@B=$(B) BENCH=$(BENCH) W="$(W)" tests/perf/run
	@B=$(B) tests/perf/scale
	@B=$(B) tests/perf/money
	@B=$(B) tests/perf/stream
	@B=$(B) tests/perf/audit
	@B=$(B) tests/perf/activation
	@dir=$$(mktemp -d) && $(B)/release/tests/perf/audit_bench 1000000 $$dir; rm -rf $$dir
	@for n in 1000 100000; do $(B)/release/tests/perf/fold_bench 2000000 $$n; done
	@$(B)/release/tests/perf/restart_bench 1000000

STEPS ?= 1000000
simulate: $(B)/release/tests/simulate/money $(B)/release/tests/simulate/replicas ## money and holds against the rules, step by step: SEED=1 STEPS=1000000
	@$(B)/release/tests/simulate/money $(SEED) $(STEPS)
	@$(B)/release/tests/simulate/replicas $(SEED) $(STEPS)

libraries: build ## folders of Rego with tests, by both programs: DIR="dir ...", FLAGS="--flags=--v0-compatible --each"
	@OPA=$(OPA) COUNTERSIGN=$(B)/countersign tests/libraries/run $(FLAGS) $(DIR)

objects: $(OBJ.release) $(OBJ.clang) ## compile with both compilers, link nothing (with FOLDERS: only those folders)
lib: $(B)/libcountersign.a ## the library alone

docs: build ## the manual page and completion scripts, in $(B)/share
	@mkdir -p $(B)/share/man/man1 $(B)/share/bash-completion/completions $(B)/share/zsh/site-functions \
	    $(B)/share/fish $(B)/share/powershell
	@$(B)/countersign completion man > $(B)/share/man/man1/countersign.1
	@$(B)/countersign completion bash > $(B)/share/bash-completion/completions/countersign
	@$(B)/countersign completion zsh > $(B)/share/zsh/site-functions/_countersign
	@$(B)/countersign completion fish > $(B)/share/fish/countersign.fish
	@$(B)/countersign completion powershell > $(B)/share/powershell/countersign.ps1

clean: ## remove the build folder
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
