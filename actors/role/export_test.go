package role

// Users is how many systems of the process are not closed.
func Users() int {
	engines.Lock()
	defer engines.Unlock()
	if engines.current == nil {
		return 0
	}
	return engines.current.users
}
