//go:build ignore

// Writes src/base/utf8_case.inc: the simple case mappings and the white space of Unicode, as Go's package unicode has them
// (OPA's upper, lower and trim_space are defined by it). Run from the root of the tree, only when Unicode moves on:
//
//	go run deploy/build/utf8_case.go >src/base/utf8_case.inc
package main

import (
	"fmt"
	"unicode"
)

type run struct{ first, last, delta, step int }

func runs(to func(rune) rune) []run {
	var all []run
	for r := 0; r <= unicode.MaxRune; r++ {
		if r < 0x80 || to(rune(r)) == rune(r) {
			continue
		}
		delta := int(to(rune(r))) - r
		if n := len(all); n > 0 {
			last := &all[n-1]
			gap := r - last.last
			if last.delta == delta && (gap == last.step || last.first == last.last && gap <= 2) {
				last.last, last.step = r, gap
				continue
			}
		}
		all = append(all, run{r, r, delta, 1})
	}
	return all
}

func print(name string, all []run) {
	fmt.Printf("\nstatic const case_run %s[] = {\n", name)
	for _, r := range all {
		fmt.Printf("    {0x%04X, 0x%04X, %d, %d},\n", r.first, r.last, r.delta, r.step)
	}
	fmt.Printf("};\n")
}

func main() {
	fmt.Printf("/* Made by deploy/build/utf8_case.go from Unicode %s; do not edit. ASCII is left out of the case tables. */\n",
		unicode.Version)
	print("lower_runs", runs(unicode.ToLower))
	print("upper_runs", runs(unicode.ToUpper))
	fmt.Printf("\nstatic const rune_range space_ranges[] = {\n")
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.IsSpace(r) {
			continue
		}
		first := r
		for unicode.IsSpace(r + 1) {
			r++
		}
		fmt.Printf("    {0x%04X, 0x%04X},\n", first, r)
	}
	fmt.Printf("};\n")
}
