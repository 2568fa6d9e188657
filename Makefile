# ballot: `make` builds it, `make demo` shows it, `make test` proves it.

PREFIX ?= /usr/local
CC ?= cc
CFLAGS ?= -O2 -g
LDFLAGS ?=
LDLIBS = -lzookeeper_st
STRICT = -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion

PACKAGES = bash gcc libc6-dev libzookeeper-st-dev perl procps util-linux zookeeper default-jre-headless
LINT_PACKAGES = clang clang-tidy cppcheck shellcheck valgrind libclang-rt-dev

TESTS = $(sort $(wildcard test/*.t))
JOBS = 4

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

soak: deps
	@$(MAKE) -s tools
	@SOAK=1 prove -v test/race.t test/soak.t

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
