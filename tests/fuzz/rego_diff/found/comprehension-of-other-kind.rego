package fuzz

bad := {"a": v | some v in [1, 2]} == input.s

bad_on_the_right := input.s == {"a": v | some v in [1, 2]}

array := input.a == {"a": v | some v in [1, 2]}

object := [to_number("x") | true] == input.o

same := {k: v | some k, v in input.o} == input.o

sets := {"a": v | some v in [1, 2]} == {1}

named := {"a": v | some v in [1]} == x if x := input.o

parts.x[k] if {
	some k in ["p"]
	{"abc": v | some v in data.d.o} == input.m
}

strict_kinds := input.o == {to_number("x") | true}

strict_scalar := 1 == [to_number("x") | true]
