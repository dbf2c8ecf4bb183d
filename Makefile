# svc: build, test, lint, bench. `make help` lists the targets.
SHELL := /bin/bash
ifeq ($(origin CC),default)
CC := gcc
endif
MODE ?= release
BUILD ?= build/$(MODE)
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
PYTHON := /usr/bin/python3
V_ := $(if $(V),,@)
# The build directory of another mode, beside this one.
build_of = $(if $(filter build/%,$(BUILD)),build/$(1),$(BUILD)-$(1))
submake = +$(MAKE) --no-print-directory -j$(JOBS)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wmissing-prototypes \
        -Wstrict-prototypes -Wvla -Wformat=2 -Werror
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_release := -O2 -g
# -Wformat-truncation guesses wrongly with less optimisation: the release build is its judge.
CFLAGS_debug := -O0 -g3 -Wno-format-truncation
CFLAGS_asan := -O1 -g3 $(SANITIZE) -Wno-format-truncation
CFLAGS_fuzz := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
CFLAGS_cover := -O0 -g --coverage -Wno-format-truncation
LDFLAGS_release := -static-pie
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_fuzz := -fsanitize=address,undefined,fuzzer
LDFLAGS_cover := --coverage
CPPFLAGS := -D_GNU_SOURCE -I.
CFLAGS := -std=gnu17 -fPIE -fstack-protector-strong $(CFLAGS_$(MODE)) $(WARN)
LDFLAGS := $(LDFLAGS_$(MODE)) -Wl,-z,relro,-z,now

# A unit is a directory of sources that becomes one archive. The list of what each may use is the
# rank table of the house: `make lint` holds every #include against it.
UNITS := runtime/base specs netns supervisor/loop supervisor/http runtime supervisor/sandbox \
         supervisor/ctl supervisor/health supervisor/logs supervisor/proxy supervisor/stack \
         supervisor/keeper supervisor/cli supervisor
uses_runtime/base :=
uses_specs := runtime/base
uses_netns := runtime/base
uses_supervisor/loop := runtime/base
uses_supervisor/http := runtime/base
uses_runtime := specs runtime/base
uses_supervisor/sandbox := runtime/base
uses_supervisor/ctl := supervisor/loop supervisor/http specs runtime/base
uses_supervisor/health := supervisor/loop supervisor/http supervisor/sandbox specs runtime/base
uses_supervisor/logs := supervisor/loop specs runtime/base
uses_supervisor/proxy := supervisor/loop supervisor/http supervisor/sandbox runtime/base
uses_supervisor/keeper := runtime/base
uses_supervisor/stack := supervisor/keeper supervisor/proxy supervisor/health supervisor/logs supervisor/ctl \
                         supervisor/sandbox netns supervisor/loop supervisor/http specs runtime/base
uses_supervisor/cli := supervisor/ctl supervisor/loop supervisor/http specs runtime/base
uses_supervisor := supervisor/keeper supervisor/cli supervisor/stack supervisor/proxy supervisor/health \
                   supervisor/logs supervisor/ctl supervisor/sandbox netns supervisor/loop \
                   supervisor/http specs runtime/base
LIBS := -lyajl_s -lyaml
# libseccomp is what the unit tests hold our tables and our compiler against; the programs do without.
LIBS_tests := -lcmocka -lseccomp $(LIBS)

# svc-runtime is an image of its own in every verb, and glibc's start is a good part of a short one's time
# (it asks the processor about itself, which traps in virtual machines). So the release build has it with
# musl, when that is there and when all that the distribution's yajl was compiled to use can be given to it;
# else, and for every other program and mode, with $(CC) and its C library.
MACHINE := $(shell $(CC) -dumpmachine)
MUSL_CC := $(if $(filter release/gcc,$(MODE)/$(CC)),$(shell command -v musl-gcc))
MUSL_DIR := $(if $(MUSL_CC),$(shell sed -n 's|.*"\(/.*\)/musl-gcc.specs".*|\1|p' $(MUSL_CC)))
YAJL := $(shell $(CC) -print-file-name=libyajl_s.a)
YAJL_USES := _GLOBAL_OFFSET_TABLE_ __assert_fail __errno_location __stack_chk_fail __stack_chk_guard abort calloc free \
             malloc memcpy memset realloc snprintf sprintf strcat strcmp strcpy strlen strspn strtod yajl_% \
             __memcpy_chk __snprintf_chk __sprintf_chk
HAS_MUSL := $(if $(wildcard $(MUSL_DIR)/rcrt1.o),$(if $(wildcard /usr/include/$(MACHINE)/asm),$(if $(filter-out \
            $(YAJL_USES),$(shell nm -u $(YAJL) 2>&1 | awk '$$1 == "U" {print $$2} /no symbols|No such/')),no,yes)))
MUSL_SOURCES := $(filter-out runtime/main.c specs/stack_% specs/compile% specs/yaml%,$(wildcard runtime/*.c runtime/base/*.c \
                runtime/musl/*.c specs/*.c))

# Fuzz targets: tests/fuzz/NAME_fuzz.c, its seeds in tests/fuzz/corpus/NAME/, the unit it feeds.
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
fuzz_json := specs
fuzz_http1 := supervisor/http
fuzz_oci_config := runtime
fuzz_oci_state := specs

MAINS := runtime/main.c supervisor/main.c
sources = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
archive = $(BUILD)/$(1)/unit.a
archives = $(call archive,$(1)) $(foreach u,$(uses_$(1)),$(call archive,$(u)))
link_archives = -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
LDFLAGS_tests := $(filter-out -static-pie,$(LDFLAGS)) -pie

.PHONY: all
all: $(BUILD)/svc $(BUILD)/svc-runtime ## build both programs (static), the default

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "cc $<")
	$(V_)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define unit_rules
$(call archive,$(1)): $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
	@mkdir -p $$(@D) && rm -f $$@
	$(V_)ar qcs $$@ $$^
$(BUILD)/tests/unit/$(1)/%_test: $(BUILD)/tests/unit/$(1)/%_test.o $(call archives,$(1))
	$(V_)$(CC) $$(LDFLAGS_tests) -o $$@ $$< $$(link_archives) $(LIBS_tests)
endef
$(foreach u,$(UNITS),$(eval $(call unit_rules,$(u))))

define fuzz_rules
$(BUILD)/tests/fuzz/$(1)_fuzz: $(BUILD)/tests/fuzz/$(1)_fuzz.o $(call archives,$(fuzz_$(1)))
	$(V_)$(CC) $$(LDFLAGS_tests) -o $$@ $$< $$(link_archives) $(LIBS)
$(BUILD)/tests/fuzz/$(1)_replay: $(BUILD)/tests/fuzz/replay.o $(BUILD)/tests/fuzz/$(1)_fuzz.o \
                                 $(call archives,$(fuzz_$(1)))
	$(V_)$(CC) $$(LDFLAGS_tests) -o $$@ $$(filter %.o,$$^) $$(link_archives) $(LIBS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_rules,$(t))))

# The commit that `svc-runtime --version` tells, where this is a checkout: built again when it changes.
COMMIT := $(if $(wildcard .git),$(shell git rev-parse --short=12 HEAD 2>/dev/null))
MAIN_OBJECTS := $(BUILD)/runtime/main.o $(BUILD)/musl/runtime/main.o
$(MAIN_OBJECTS): CPPFLAGS += $(if $(COMMIT),-DSVC_COMMIT='"$(COMMIT)"')
$(MAIN_OBJECTS): $(BUILD)/commit
.PHONY: always
$(BUILD)/commit: always
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@

$(BUILD)/svc: $(BUILD)/supervisor/main.o $(call archives,supervisor)
	$(V_)$(CC) $(LDFLAGS) -o $@ $< $(link_archives) $(LIBS)
ifeq ($(HAS_MUSL),yes)
$(BUILD)/svc-runtime: $(BUILD)/musl/runtime/main.o $(BUILD)/musl/unit.a
	$(V_)$(MUSL_CC) -nostartfiles -static -Wl,-pie -Wl,--no-dynamic-linker -Wl,-z,text,-z,relro,-z,now -o $@ \
	    $(MUSL_DIR)/rcrt1.o $(MUSL_DIR)/crti.o $^ $(YAJL) $(MUSL_DIR)/crtn.o
else
$(BUILD)/svc-runtime: $(BUILD)/runtime/main.o $(call archives,runtime)
	$(V_)$(CC) $(LDFLAGS) -o $@ $< $(link_archives) $(LIBS)
endif

$(BUILD)/musl/unit.a: $(MUSL_SOURCES:%.c=$(BUILD)/musl/%.o)
	@rm -f $@
	$(V_)ar qcs $@ $^
# In the glibc build, the same sources are held against every warning; some of musl's macros do not stand them.
$(BUILD)/musl/%.o: %.c | $(BUILD)/musl/include
	@mkdir -p $(@D)
	$(if $(V),,@echo "cc $< (musl)")
	$(V_)$(MUSL_CC) -isystem runtime/musl -isystem $(BUILD)/musl/include $(CPPFLAGS) \
	    $(filter-out -Wconversion -Wsign-conversion,$(CFLAGS)) -MMD -MP -c $< -o $@
# Headers that are not the C library's: of the kernel and of yajl.
$(BUILD)/musl/include:
	@mkdir -p $@ && ln -sfn /usr/include/linux $@/linux && ln -sfn /usr/include/asm-generic $@/asm-generic && \
	    ln -sfn /usr/include/$(MACHINE)/asm $@/asm && ln -sfn /usr/include/yajl $@/yajl

.PHONY: run
run: deps-run ## build, run examples/notes in the foreground (root; NOTES_PORT=8080)
	$(submake) all
	$(BUILD)/svc run examples/notes/stack.json

.PHONY: debug
debug: ## build without optimisation
	$(submake) MODE=debug BUILD=$(call build_of,debug) all

# --- tests -------------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null)))
REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%_replay)
SUMMARY ?= $(BUILD)/summary

.PHONY: test
test: deps-test ## install what tests need, build, run everything this machine can run (root)
	@rm -rf $(SUMMARY) && mkdir -p $(BUILD)
	$(submake) all
	+@failed=; m="$(MAKE) --no-print-directory -j$(JOBS) SUMMARY=$(SUMMARY)"; \
	echo; echo "== unit tests"; $$m unit || failed+=" unit"; \
	echo; echo "== unit tests under ASan, UBSan, LSan"; $$m asan || failed+=" asan"; \
	echo; echo "== lint"; $$m -k lint || failed+=" lint"; \
	echo; echo "== pytest"; $$m pytest || failed+=" pytest"; \
	$(PYTHON) tests/closing.py $(SUMMARY) $$failed

.PHONY: unit
unit: $(UNIT_TESTS) $(REPLAYS) ## build and run the unit tests and replay the fuzz corpora
	@$(PYTHON) tests/unit/run.py --name $(patsubst release,unit,$(MODE)) $(if $(SUMMARY),--summary $(SUMMARY)) \
	    $(UNIT_TESTS) $(foreach t,$(FUZZ_TARGETS),$(BUILD)/tests/fuzz/$(t)_replay:tests/fuzz/corpus/$(t))

.PHONY: asan
asan: ## the same under ASan, UBSan and LSan
	$(submake) MODE=asan BUILD=$(call build_of,asan) SUMMARY=$(SUMMARY) unit

# Programs that play one part of svc for the tests of another: tests/PART/NAME_driver.c, given to them as
# SVC_NAME_DRIVER.
DRIVERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/*/*_driver.c))
$(BUILD)/tests/%_driver: $(BUILD)/tests/%_driver.o $(call archives,supervisor)
	$(V_)$(CC) $(LDFLAGS_tests) -o $@ $< $(link_archives) $(LIBS)

# Tests that look at the whole machine (or measure time) run alone, the rest beside each other.
.PHONY: pytest
pytest: all $(BUILD)/tests/stack/escape $(BUILD)/tests/runtime/attack $(DRIVERS) ## build and run the tests of the real programs (T=tests/… for some of them)
	+@export SVC=$(abspath $(BUILD)/svc) SVC_RUNTIME=$(abspath $(BUILD)/svc-runtime) \
	    SVC_ESCAPE=$(abspath $(BUILD)/tests/stack/escape) \
	    SVC_ATTACK=$(abspath $(BUILD)/tests/runtime/attack) SVC_SUMMARY=$(abspath $(SUMMARY)); rc=0; \
	for d in $(abspath $(DRIVERS)); do n=$${d##*/}; export SVC_$${n^^}=$$d; done; \
	run() { SVC_PART="$$1" $(PYTHON) -m pytest -rs "$${@:2}" || [ $$? = 5 ] || rc=1; }; \
	run together -m 'not alone' -n $(JOBS) --dist loadfile $(or $(T),tests); \
	run alone -m alone $(or $(T),tests); exit $$rc

# What a container runs to try the escapes and attacks: static, so that it needs nothing of the container.
$(BUILD)/tests/stack/escape $(BUILD)/tests/runtime/attack: $(BUILD)/%: %.c
	@mkdir -p $(@D)
	$(V_)gcc -std=gnu17 -D_GNU_SOURCE -O1 $(WARN) -static -o $@ $<

.PHONY: fault fault-all
fault: ## make system calls of the runtime's verbs fail, a sample of each kind (part of make test)
	@$(MAKE) --no-print-directory pytest T=tests/fault
fault-all: ## the same for every single call, with every error (half an hour)
	@SVC_FAULT_ALL=1 $(MAKE) --no-print-directory pytest T=tests/fault

.PHONY: fuzz
T ?=
SECS ?= 60
fuzz: ## fuzz one parser with libFuzzer: make fuzz T=json SECS=60
	@[ -n "$(filter $(T),$(FUZZ_TARGETS))" ] || { echo "make fuzz T=NAME; NAME is one of: $(FUZZ_TARGETS)" >&2; exit 2; }
	$(call install_missing,$(PACKAGES_FUZZ))
	$(submake) MODE=fuzz CC=clang-14 BUILD=$(call build_of,fuzz) $(call build_of,fuzz)/tests/fuzz/$(T)_fuzz
	@mkdir -p $(call build_of,fuzz)/corpus/$(T)
	$(call build_of,fuzz)/tests/fuzz/$(T)_fuzz -max_total_time=$(SECS) -timeout=5 -max_len=65536 \
	    -artifact_prefix=$(call build_of,fuzz)/ $(call build_of,fuzz)/corpus/$(T) tests/fuzz/corpus/$(T)

.PHONY: cover
cover: ## line coverage of the unit tests, per file
	$(submake) MODE=cover BUILD=$(call build_of,cover) SUMMARY= unit
	@find $(call build_of,cover) -name '*.gcda' -not -path '*/tests/*' -print0 | xargs -0 gcov -n -r -s $(CURDIR) 2>/dev/null | \
	    awk -F"[':%]" '/^File/ {f = $$2} /^Lines/ && f ~ /\.c$$/ {printf "%6.1f %%  %s\n", $$2, f}' | sort -n | uniq

.PHONY: vm
vm: all ## the runtime's tests under Debian's kernel with cgroup v2, in qemu (root)
	$(call install_missing,$(PACKAGES_VM))
	+@tests/vm/run $(BUILD)

.PHONY: conformance
conformance: all ## other projects' suites on svc-runtime; CRUN_SRC=, RUNTIME_TOOLS_SRC= checkouts, see tests/conformance (root)
	@tests/conformance/run --runtime $(BUILD)/svc-runtime $(if $(CRUN_SRC),--crun-src $(CRUN_SRC)) \
	  $(if $(RUNTIME_TOOLS_SRC),--runtime-tools-src $(RUNTIME_TOOLS_SRC)) $(ARGS)

.PHONY: bench
BENCH := $(BUILD)/tests/bench
bench: all $(BENCH)/floor $(BENCH)/stopwatch ## measure starts, memory and time to healthy; prints README's tables (root; BENCH_PEERS="NAME=CRUN")
	$(call install_missing,$(PACKAGES_BENCH))
	@SVC=$(abspath $(BUILD)/svc) SVC_RUNTIME=$(abspath $(BUILD)/svc-runtime) FLOOR=$(abspath $(BENCH)/floor) \
	    STOPWATCH=$(abspath $(BENCH)/stopwatch) $(PYTHON) tests/bench/bench.py $(ARGS)
# Programs of the tests themselves: static, so that they need nothing of a container.
$(BENCH)/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(V_)gcc -std=gnu17 -D_GNU_SOURCE -O2 $(WARN) -static -o $@ $<

# --- lint --------------------------------------------------------------------------------------

CODE := $(sort $(foreach u,$(UNITS),$(wildcard $(u)/*.c)))
HEADERS := $(sort $(foreach u,$(UNITS),$(wildcard $(u)/*.h)))
FORMATTED := $(sort $(shell find runtime netns specs supervisor tests -name '*.[ch]' 2>/dev/null))

.PHONY: lint fmt-check fmt layers headers globals sleeps analyzers
lint: fmt-check layers sleeps headers globals analyzers ## all static checks: format, ranks, headers alone, globals, analyzers
	@echo "lint: clean"

fmt-check: # every C file is as clang-format 14 writes it
	@clang-format-14 --dry-run -Werror $(FORMATTED)
fmt: ## format every C file
	@clang-format-14 -i $(FORMATTED)

layers: # every #include goes down the rank table, libraries only where they are allowed
	@$(MAKE) -s --no-print-directory print-ranks | $(PYTHON) tests/lint/layers.py
.PHONY: print-ranks
print-ranks:
	@$(foreach u,$(UNITS),echo "$(u): $(uses_$(u))";)

sleeps: # a test waits for the event, never for a fixed time
	@$(PYTHON) tests/lint/sleeps.py tests

headers: $(HEADERS:%=$(BUILD)/lint/%.alone) # every header compiles alone
$(BUILD)/lint/%.alone: %
	@mkdir -p $(@D)
	$(V_)echo '#include "$<"' | gcc $(CPPFLAGS) -std=gnu17 $(WARN) -MMD -MP -MF $@.d -MT $@ -fsyntax-only -xc - && touch $@

globals: $(foreach u,$(UNITS),$(call archive,$(u))) # no writable global but those of the list
	@$(PYTHON) tests/lint/globals.py tests/lint/globals.allow $^

.PHONY: analyze-gcc analyze-tidy analyze-cppcheck
analyzers: analyze-gcc analyze-tidy analyze-cppcheck # gcc -fanalyzer, clang-tidy (and clang's warnings), cppcheck
analyze-gcc: $(CODE:%.c=$(BUILD)/lint/%.gcc)
analyze-tidy: $(CODE:%.c=$(BUILD)/lint/%.tidy)
# After the object, so that a changed header asks for a new analysis too.
$(BUILD)/lint/%.gcc: %.c $(BUILD)/%.o
	@mkdir -p $(@D)
	$(V_)gcc $(CPPFLAGS) -std=gnu17 -O2 $(WARN) -fanalyzer -c -o /dev/null $< && touch $@
$(BUILD)/lint/%.tidy: %.c $(BUILD)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(V_)clang-tidy-14 --quiet $< -- $(CPPFLAGS) -std=gnu17 $(WARN) 2>$@.log || { cat $@.log >&2; exit 1; }; touch $@
# nullPointer, uninitvar: cppcheck 2.10 sees false ones in plain loops; both compilers' analyzers look for them.
analyze-cppcheck:
	@mkdir -p $(BUILD)/lint/cppcheck
	@cppcheck -q -j$(JOBS) --cppcheck-build-dir=$(BUILD)/lint/cppcheck --enable=warning,performance,portability \
	    --std=c11 --inline-suppr --suppress=memleak --suppress=nullPointer --suppress=uninitvar --error-exitcode=1 \
	    -I. -D_GNU_SOURCE -D__$(shell uname -m)__ $(CODE)

.PHONY: worst
worst: ## the ten longest functions and files
	@$(PYTHON) tests/lint/worst.py $(CODE) $(HEADERS)

# --- packages ----------------------------------------------------------------------------------

PACKAGES_BUILD := gcc make libc6-dev musl-tools libyajl-dev libyaml-dev
PACKAGES_RUN := nftables redis-server gunicorn python3-flask python3-redis
PACKAGES_TEST := libcmocka-dev libseccomp-dev python3-pytest python3-pytest-xdist clang-14 clang-format-14 clang-tidy-14 \
                 cppcheck busybox-static iproute2 curl procps strace python3-yaml python3-jsonschema
# Clients that drive svc-runtime in tests/clients. Those of the second list run as daemons from the moment that they are
# installed, and Docker's rewrites the rules of iptables: they are installed on machines that are thrown away (CI=true,
# as CI systems set it); elsewhere their tests run where they are already.
PACKAGES_CLIENTS := podman conmon crun netavark aardvark-dns iptables tini
PACKAGES_DAEMONS := $(if $(filter true,$(CI)),containerd docker.io)
PACKAGES_FUZZ := clang-14 libclang-rt-14-dev
PACKAGES_BENCH := crun runc golang-github-containers-common redis-server gunicorn python3-flask python3-redis nftables busybox-static
PACKAGES_VM := qemu-system-x86 busybox-static cpio kmod e2fsprogs

# Installs those of $(1) that are missing: nothing is asked, nothing is done when all are there.
define install_missing
@missing=; for p in $(1); do \
    [[ "$$(dpkg-query -W -f '$${db:Status-Abbrev}' $$p 2>/dev/null)" == ii* ]] || missing+=" $$p"; done; \
[ -z "$$missing" ] || { echo "installing:$$missing"; \
    [ $$(id -u) = 0 ] || { echo "make: run this as root (sudo make $(MAKECMDGOALS)), or: apt-get install$$missing" >&2; exit 1; }; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -qq update </dev/null && \
    apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $$missing </dev/null >$${TMPDIR:-/tmp}/svc-apt.$$$$ 2>&1 || \
    { cat $${TMPDIR:-/tmp}/svc-apt.$$$$ >&2; exit 1; }; rm -f $${TMPDIR:-/tmp}/svc-apt.$$$$; }
endef

.PHONY: deps deps-run deps-test
deps: ## install the packages that the build needs (root)
	$(call install_missing,$(PACKAGES_BUILD))
deps-run: ## … and those of the examples (root)
	$(call install_missing,$(PACKAGES_BUILD) $(PACKAGES_RUN))
deps-test: ## … and those of the tests (root)
	$(call install_missing,$(PACKAGES_BUILD) $(PACKAGES_RUN) $(PACKAGES_TEST) $(PACKAGES_CLIENTS) $(PACKAGES_DAEMONS))

# --- the rest ----------------------------------------------------------------------------------

.PHONY: install
install: all ## copy svc and svc-runtime to $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILD)/svc $(BUILD)/svc-runtime $(DESTDIR)$(PREFIX)/bin

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# Objects of tests are reached by chains of pattern rules: make would delete them as intermediate.
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
