package fuzz

r1 contains 1 if {
	x := {"a": k9 | some k9 in [1, 2]}
	startswith(input.s, "no such")
	x != null
}

r2 contains 1 if {
	x := {"a": k9 | some k9 in [1, 2]}
	"no such" in input.sa
	x != null
}

r3 contains 1 if {
	x := {"a": k9 | some k9 in [1, 2]}
	strings.any_suffix_match(input.sa, {"no such", "nor such"})
	x != null
}

r4 contains 1 if {
	x := {"a": k9 | some k9 in [1, 2]}
	v := input.s
	endswith(v, "no such")
	x != null
}

r5 contains 1 if {
	x := {"a": k9 | some k9 in [1, 2]}
	input.n in [77, 78]
	x != null
}
