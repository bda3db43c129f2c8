# A test that cannot be shown here: one answer, whatever is missing; in C skip_lacking of lacking.h.
# NEED: names of tests/hygiene/may_skip ("root", "root or tun"), by which tests/run judges whether the
# machine lacks it; WHY: what was seen.
skip_lacking() { # NEED [WHY]
    echo "skipped: this machine lacks $1${2:+ ($2)}"
    exit 77
}
