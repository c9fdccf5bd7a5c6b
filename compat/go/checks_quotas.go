package main

// registerQuotas adds quotas and SCRAM credentials, as an admin client sets and sees them.
func registerQuotas(h *harness, c client) {
	h.check("client-quotas", func() { quotas(c) })
	h.check("scram-users", func() { scram(c) })
}

func quotas(c client) {
	id := unique(c, "quotas")
	const key = "consumer_byte_rate"
	rate, none := 2048.0, -1.0
	try(c.setQuota(id, key, &rate))
	eventually("set", func() bool { return must(c.quotas(id))[key] == rate })
	// One of the libraries has only words for it, and no code.
	yes(c.setQuota(id, key, &none) != nil, "a quota of less than nothing is refused")
	yes(c.setQuota(id, "connection_creation_rate", &rate) != nil, "an address's quota is refused to a client id")
	try(c.setQuota(id, key, nil))
	eventually("gone", func() bool { return len(must(c.quotas(id))) == 0 })
}

func scram(c client) {
	user := unique(c, "user")
	try(c.setCredential(user, 8192))
	eventually("described", func() bool {
		iterations, err := c.credential(user)
		return err == nil && iterations == 8192
	})
	try(c.deleteCredential(user))
	eventually("gone", func() bool {
		_, err := c.credential(user)
		return err != nil && c.errorCode(err) == 91
	})
	fails(c, 91, c.deleteCredential(user))
}
