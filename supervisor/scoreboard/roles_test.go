package scoreboard

func family3() error { select {} }
func observe() error { return nil }
func foreign() error { return nil }
