package look.tree

import rego.v1

import data.app.rules as r

everything := data.app

all_rules := data.app.rules

packages contains p if data.app[p]

found contains [p, q] if data.app[p][q] == 1

picked := data.app.rules[input.rule]

picked_deep := data.look.more.sub[input.one][input.two]

sub_any[k] := data.look.more.sub[k].y

mixed := data.app[input.pkg][_]

base_only := data.users[input.n].name

whole_input := input

loop contains v if {
	v := data.app.rules.by_name[_].id
}
