package codec

// Plan 9 has no numbers for errors.
func errnoCode(error) string { return "" }

func errnoOf(string) error { return nil }
