# ballot: `make` builds it, `make demo` shows it, `make test` proves it.

PREFIX ?= /usr/local
MAN = $(PREFIX)/share/man/man1
BASH_COMPLETIONS = $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS = $(PREFIX)/share/fish/vendor_completions.d
CC ?= cc
# Small rather than fast: the waits are on servers (-Oz: gcc 12, clang). (-g has its own frame tables; all is bound at the start, so that
# a PLT would be 1.3 KB for nothing.)
CFLAGS ?= -Oz -g -fno-asynchronous-unwind-tables -fno-plt $(HARDENED)
# The last packs the relocations, 8 KB less; ld before binutils 2.38 warns and goes on, musl before 1.2.4 cannot run it.
# Code and constants are one mapping, and share its last page: 4 KB less.
LDFLAGS ?= -Wl,-z,relro,-z,now -Wl,-z,pack-relative-relocs -Wl,-z,noseparate-code
HARDENED = -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE -pie
LDLIBS = -lzookeeper_st -linih
INIH = $(shell pkg-config --modversion inih 2>/dev/null)
override CPPFLAGS += $(if $(INIH),-DINIH_VERSION='"$(INIH)"')
STRICT = -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion

PACKAGES = bash bsdutils faketime fish gcc groff-base libc6-dev libinih-dev libyaml-libyaml-perl libzookeeper-st-dev perl pkgconf procps util-linux zookeeper zsh default-jre-headless
LINT_PACKAGES = clang clang-tidy cppcheck shellcheck valgrind libclang-rt-dev openssl stunnel4

# The longest first, so that none of them is left at the end.
SLOW = $(patsubst %,test/%.t,campaign lease outage cronfault runcron watch crontime election)
TESTS = $(SLOW) $(filter-out test/soak.t test/tls.t $(SLOW), $(sort $(wildcard test/*.t)))
JOBS = 5

all: ballot

# `make deps test`, say: the packages come first, with -j too.
FIRST = $(filter deps,$(MAKECMDGOALS))

ballot: ballot.c ballot.h Makefile | $(FIRST)
	$(CC) $(STRICT) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) -o $@ ballot.c $(LDLIBS)

test/bin/job: test/job.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -static -o $@ $<

test/bin/zk: test/zk.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -o $@ $< $(LDLIBS)

test/bin/peer: test/peer.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -o $@ $< $(LDLIBS)

test/bin/nomem.so: test/nomem.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -shared -fPIC -o $@ $<

test/bin/unit: test/unit.c test/tap.h ballot.c ballot.h
	@mkdir -p test/bin
	$(CC) $(STRICT) -g -fsanitize=address,undefined -fno-sanitize-recover=all -I. -o $@ $< $(LDLIBS)

test/bin/cron: test/cron.c test/tap.h ballot.c ballot.h
	@mkdir -p test/bin
	$(CC) $(STRICT) -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -I. -o $@ $<

test/bin/bench-cron: test/bench-cron.c ballot.c ballot.h
	@mkdir -p test/bin
	$(CC) $(STRICT) $(CFLAGS) -I. -o $@ $< -lm

test/bin/crowd: test/crowd.c ballot.c ballot.h
	@mkdir -p test/bin
	$(CC) $(STRICT) $(CFLAGS) -DBALLOT_NO_MAIN -o $@ test/crowd.c ballot.c -lzookeeper_st

test/bin/conform: test/conform.c
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -o $@ $< $(LDLIBS)

test/bin/simconform: test/conform.c test/simzk.c test/simzk.h
	@mkdir -p test/bin
	$(CC) $(STRICT) -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -DSIMULATED -o $@ test/conform.c test/simzk.c

# The program on a simulated system, with a simulated ensemble. BALLOT_C names another
# ballot.c: an older one, say.
BALLOT_C = ../ballot.c
SIM = test/sim.c test/simcron.c test/simwatch.c test/simos.c test/simzk.c test/simballot.c
test/bin/sim: $(SIM) test/simos.h test/simzk.h test/simcron.h test/simwatch.h ballot.c ballot.h
	@mkdir -p test/bin
	$(CC) $(STRICT) -O2 -g $(CPPFLAGS) -DBALLOT_C='"$(BALLOT_C)"' -o $@ $(SIM) -linih

# A minute of fresh seeds of each kind of story (STORY=once, cron or watch: only those), and all that
# ever found something. SEED=n: the story of that one (STORY, FAULTS and HOSTS as a line of
# test/sim.seeds has them); HOURS=n: so many simulated hours of each; FROM=n: the first seed.
SECONDS = 60
STORIES = $(or $(STORY),once cron watch)
sim: test/bin/sim
	@$(if $(SEED),test/bin/sim --seed $(SEED) $(if $(STORY),--story $(STORY)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(HOSTS),--hosts $(HOSTS)), \
	    test/bin/sim --file test/sim.seeds $(foreach story,$(STORIES),&& test/bin/sim --table 1 --story $(story) \
	    $(if $(HOURS),--hours $(HOURS),--seconds $(SECONDS)) $(if $(FROM),--from $(FROM))))

# What of ballot.c no seed has reached: lines that gcov marks with #####.
sim-coverage: test/bin/coverage/sim
	@rm -f test/bin/coverage/*.gcda
	@cd test/bin/coverage && for story in $(STORIES); do ./sim --story $$story --seconds $(SECONDS) --shrink 0; done && gcov -o . sim-simballot.gcda >/dev/null && \
	    grep -n '#####' ballot.c.gcov | sed 's/^[0-9]*: *#####: *//' >unreached && wc -l <unreached

test/bin/coverage/sim: $(SIM) test/simos.h test/simzk.h test/simcron.h test/simwatch.h ballot.c ballot.h
	@mkdir -p test/bin/coverage
	cd test/bin/coverage && $(CC) -std=c99 -g -O0 --coverage $(CPPFLAGS) -DBALLOT_C='"$(BALLOT_C)"' -o sim $(SIM:%=$(CURDIR)/%) -linih

# The simulated ensemble and client library beside real ones. SEED=n [SERVERS=1|3] [STEPS=list
# [BATCH=n]]: that sequence.
conform: needs
	@$(MAKE) -s tools test/bin/conform test/bin/simconform
	@prove -v test/conform.t

# Do the tests see what breaks? They must catch each break of test/mutants.list in a copy of
# ballot.c, and 60 that a SEED draws; ONLY=pattern: those whose name matches. test/mutants says more.
mutants: needs
	@test/mutants

tools: ballot test/bin/job test/bin/zk test/bin/peer test/bin/nomem.so

# Installs, from Debian's packages, what building, testing and checking need. Everything
# else installs nothing, but says what is missing.
deps: ; @test/deps install $(PACKAGES) $(LINT_PACKAGES)
needs: $(FIRST) ; @test/deps check $(PACKAGES)
needs-lint: $(FIRST) ; @test/deps check $(PACKAGES) $(LINT_PACKAGES)

demo: needs
	@$(MAKE) -s tools
	@test/demo

test: needs
	@$(MAKE) -s tools test/bin/unit test/bin/cron test/bin/sim test/bin/conform test/bin/simconform
	@prove -j $(JOBS) $(TESTS)

# What takes longer: more rounds, random faults, and all of it with sanitizers,
# whose reports are files, because a process that dies at its end is not always asked how.
# MINUTES=n: so many of random faults.
ASAN_REPORT = $(CURDIR)/test/bin/asan/report
SANITIZED = $(patsubst %,test/%.t,campaign kill freeze lease rights timeout policy signals command election settings config auth next info stepdown runcron cronfault)
# Some of what `make mutants` has.
DEADLY = lease-from-answer|claim-over-leader|guard-kill|cron-unrecorded-start|agent-lease-over|client-watch
soak: needs-lint
	@$(MAKE) -s tools test/bin/asan/ballot test/bin/conform test/bin/simconform
	@SOAK=1 $(if $(MINUTES),SECONDS_OF_CHAOS=$$(($(MINUTES) * 60))) prove -j 2 test/conform.t test/sim.t test/soak.t test/tls.t test/watch.t test/replay.t test/cronfault.t test/race.t test/hunger.t test/kill.t test/election.t test/command.t test/hostile.t
	@COUNT=0 SECONDS=10 ONLY='^($(DEADLY))$$' test/mutants
	@rm -f $(ASAN_REPORT).*
	@ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0:log_path=$(ASAN_REPORT) UBSAN_OPTIONS=log_path=$(ASAN_REPORT) \
	    BALLOT=$(CURDIR)/test/bin/asan/ballot \
	    prove -j $(JOBS) $(SANITIZED); \
	    status=$$?; ! cat $(ASAN_REPORT).* 2>/dev/null && exit $$status

test/bin/asan/ballot: ballot.c ballot.h
	@mkdir -p test/bin/asan
	$(CC) $(STRICT) -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ ballot.c $(LDLIBS)

# Ten minutes for each reader of foreign text; FUZZ_SECONDS says otherwise.
FUZZ_SECONDS = 600
FUZZERS = ini flags duration json schedule zone

fuzz: needs-lint
	@$(MAKE) -s $(FUZZERS:%=fuzz-%)

fuzz-%: test/bin/fuzz/% ballot
	@mkdir -p test/bin/fuzz/corpus-$*
	@./ballot help --ini | sed -n 's/^; \{0,1\}\([a-z-]*\) = \([^"]*\)$$/"\1=\2\\x0A"\n"--\1=\2\\x0A"/p' >test/bin/fuzz/words-$*
	cd test/bin/fuzz && TZDIR=$(CURDIR)/test/cron/zoneinfo ./$* -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -verbosity=0 \
	    -print_final_stats=1 -dict=words-$* corpus-$*

test/bin/fuzz/%: test/fuzz.c ballot.c ballot.h
	@mkdir -p test/bin/fuzz
	clang -std=c99 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DTARGET=fuzz_$* -I. -o $@ $< $(LDLIBS)

test/bin/fuzz/schedule test/bin/fuzz/zone: test/fuzz_cron.c ballot.c ballot.h
	@mkdir -p test/bin/fuzz
	clang -std=c99 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(if $(filter %zone,$@),-DFUZZ_ZONE) -I. -o $@ $<

lint: needs-lint
	@test/lint

bench: needs
	@$(MAKE) -s tools test/bin/bench-cron test/bin/crowd
	@test/bench
	@TZDIR=test/cron/zoneinfo test/bin/bench-cron

install: ballot
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 ballot $(DESTDIR)$(PREFIX)/bin/ballot
	install -d $(DESTDIR)$(MAN) $(DESTDIR)$(BASH_COMPLETIONS) $(DESTDIR)$(ZSH_COMPLETIONS) $(DESTDIR)$(FISH_COMPLETIONS)
	./ballot help --man >$(DESTDIR)$(MAN)/ballot.1
	./ballot help --completion=bash >$(DESTDIR)$(BASH_COMPLETIONS)/ballot
	./ballot help --completion=zsh >$(DESTDIR)$(ZSH_COMPLETIONS)/_ballot
	./ballot help --completion=fish >$(DESTDIR)$(FISH_COMPLETIONS)/ballot.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ballot $(DESTDIR)$(MAN)/ballot.1 \
	    $(DESTDIR)$(BASH_COMPLETIONS)/ballot $(DESTDIR)$(ZSH_COMPLETIONS)/_ballot $(DESTDIR)$(FISH_COMPLETIONS)/ballot.fish

clean:
	rm -rf ballot test/bin

.SECONDARY: $(FUZZERS:%=test/bin/fuzz/%)
.PHONY: all tools deps needs needs-lint demo sim sim-coverage conform mutants test soak fuzz lint bench install uninstall clean
