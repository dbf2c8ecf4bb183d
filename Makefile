# svc: build, test, lint, bench. `make help` lists the targets.
SHELL := /bin/bash
MODE ?= release
BUILD ?= build/$(MODE)
CC ?= gcc
PREFIX ?= /usr/local
V_ := $(if $(V),,@)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wmissing-prototypes \
        -Wstrict-prototypes -Wvla -Wformat=2 -Werror
CFLAGS_release := -O2 -g
CFLAGS_debug := -O0 -g3
CFLAGS_asan := -O1 -g3 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_release := -static-pie
LDFLAGS_asan := -fsanitize=address,undefined
CPPFLAGS := -D_GNU_SOURCE -I. $(shell pkg-config --cflags libnl-3.0 libnl-route-3.0 2>/dev/null)
CFLAGS := -std=gnu17 -fPIE -fstack-protector-strong $(CFLAGS_$(MODE)) $(WARN)
LDFLAGS := $(LDFLAGS_$(MODE)) -Wl,-z,relro,-z,now

# A unit is a directory of sources that becomes one archive. The list of what each may use is the
# rank table of the house: `make lint` holds every #include against it.
UNITS := runtime/base specs netns supervisor/loop supervisor/http runtime supervisor/sandbox \
         supervisor/ctl supervisor/health supervisor/logs supervisor/proxy supervisor/stack \
         supervisor/cli supervisor
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
uses_supervisor/stack := supervisor/proxy supervisor/health supervisor/logs supervisor/ctl \
                         supervisor/sandbox netns supervisor/loop supervisor/http specs runtime/base
uses_supervisor/cli := supervisor/ctl supervisor/loop supervisor/http specs runtime/base
uses_supervisor := supervisor/cli supervisor/stack supervisor/proxy supervisor/health \
                   supervisor/logs supervisor/ctl supervisor/sandbox netns supervisor/loop \
                   supervisor/http specs runtime/base
LIBS := -lseccomp -lcap -lnl-route-3 -lnl-3 -lyajl_s -lpthread

MAINS := runtime/main.c supervisor/main.c
sources = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
archive = $(BUILD)/$(1)/unit.a
archives = $(call archive,$(1)) $(foreach u,$(uses_$(1)),$(call archive,$(u)))

.PHONY: all
all: $(BUILD)/svc $(BUILD)/svc-runtime ## build both programs

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(V_)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define unit_rules
$(call archive,$(1)): $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
	@mkdir -p $$(@D) && rm -f $$@
	$(V_)ar qcs $$@ $$^
$(BUILD)/tests/unit/$(1)/%_test: $(BUILD)/tests/unit/$(1)/%_test.o $(call archives,$(1))
	$(V_)$(CC) $(filter-out -static-pie,$(LDFLAGS)) -pie -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lcmocka $(LIBS)
endef
$(foreach u,$(UNITS),$(eval $(call unit_rules,$(u))))

$(BUILD)/svc: $(BUILD)/supervisor/main.o $(call archives,supervisor)
	$(V_)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)
$(BUILD)/svc-runtime: $(BUILD)/runtime/main.o $(call archives,runtime)
	$(V_)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(shell find tests/unit -name '*_test.c' 2>/dev/null))

.PHONY: unit
unit: $(UNIT_TESTS) ## build and run the unit tests
	@for t in $^; do echo "# $$t"; $$t || exit 1; done

.PHONY: debug asan
debug: ## build without optimisation
	@$(MAKE) MODE=debug all
asan: ## unit tests under ASan, UBSan and LSan
	@$(MAKE) MODE=asan unit

.PHONY: clean
clean: ## remove build/
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
