# ballot: `make` builds it, `make demo` shows it, `make test` proves it.

PREFIX ?= /usr/local
CC ?= cc
CFLAGS ?= -O2 -g
LDFLAGS ?=
LDLIBS = -lzookeeper_st
STRICT = -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion

PACKAGES = bash bsdutils gcc libc6-dev libyaml-libyaml-perl libzookeeper-st-dev perl procps util-linux zookeeper default-jre-headless
LINT_PACKAGES = clang clang-tidy cppcheck shellcheck valgrind libclang-rt-dev

TESTS = $(filter-out test/soak.t, $(sort $(wildcard test/*.t)))
JOBS = 3

all: ballot

ballot: ballot.c ballot.h Makefile
	$(CC) $(STRICT) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) -o $@ ballot.c $(LDLIBS)

test/bin/job: test/job.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -static -o $@ $<

test/bin/zk: test/zk.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -o $@ $< $(LDLIBS)

test/bin/unit: test/unit.c ballot.c ballot.h
	@mkdir -p test/bin
	$(CC) $(STRICT) -g -fsanitize=address,undefined -fno-sanitize-recover=all -I. -o $@ $< $(LDLIBS)

tools: ballot test/bin/job test/bin/zk

# What is missing is installed from Debian's packages, and nothing is done where
# all is there.
deps: ; @test/deps $(PACKAGES) $(LINT_PACKAGES)
deps-test: ; @test/deps $(PACKAGES)

demo: deps-test
	@$(MAKE) -s tools
	@test/demo

test: deps-test
	@$(MAKE) -s tools test/bin/unit
	@prove -j $(JOBS) $(TESTS)

# What takes longer: more rounds, random faults, and all of it with sanitizers.
soak: deps test/bin/asan/ballot
	@$(MAKE) -s tools
	@SOAK=1 prove -j 2 test/soak.t test/race.t test/kill.t test/election.t test/command.t
	@ASAN_OPTIONS=detect_leaks=0 BALLOT=$(CURDIR)/test/bin/asan/ballot prove -j $(JOBS) test/kill.t test/freeze.t test/policy.t test/signals.t test/command.t test/election.t test/settings.t

test/bin/asan/ballot: ballot.c ballot.h
	@mkdir -p test/bin/asan
	$(CC) $(STRICT) -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ ballot.c $(LDLIBS)

lint: deps
	@test/lint

bench: deps-test
	@$(MAKE) -s tools
	@test/bench

install: ballot
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 ballot $(DESTDIR)$(PREFIX)/bin/ballot

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ballot

clean:
	rm -rf ballot test/bin

.PHONY: all tools deps deps-test demo test soak lint bench install uninstall clean
