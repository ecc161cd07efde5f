package look.more

import rego.v1

sub.x.y := 1

sub.x.z := 2 if input.z

sub.w.y := 3

flat := 3

f(x) := x
