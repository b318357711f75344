package term

// DidYouMean is a hint at the name that a misspelt one is closest to, empty if there is none within suggestWithin letters.
func DidYouMean(name string, names []string) string {
	best, least := "", min(suggestWithin+1, len(name))
	for _, each := range names {
		if d := distance(name, each); d < least {
			best, least = each, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is Levenshtein's: how many letters must be added, removed or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
