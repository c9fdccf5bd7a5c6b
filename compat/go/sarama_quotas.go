package main

import "github.com/IBM/sarama"

func (s *saramaClient) setQuota(id, key string, value *float64) error {
	op := sarama.ClientQuotasOp{Key: key, Remove: value == nil}
	if value != nil {
		op.Value = *value
	}
	entity := sarama.QuotaEntityComponent{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Name: id}
	return s.admin.AlterClientQuotas([]sarama.QuotaEntityComponent{entity}, op, false)
}

func (s *saramaClient) quotas(id string) (map[string]float64, error) {
	component := sarama.QuotaFilterComponent{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Match: id}
	found, err := s.admin.DescribeClientQuotas([]sarama.QuotaFilterComponent{component}, true)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].Values, nil
}

func (s *saramaClient) setCredential(user string, iterations int32) error {
	return credentialError(s.admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{
		Name: user, Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: iterations,
		Salt: []byte("salt"), Password: []byte("secret"),
	}}))
}

func (s *saramaClient) deleteCredential(user string) error {
	return credentialError(s.admin.DeleteUserScramCredentials([]sarama.AlterUserScramCredentialsDelete{{
		Name: user, Mechanism: sarama.SCRAM_MECHANISM_SHA_256,
	}}))
}

func credentialError(found []*sarama.AlterUserScramCredentialsResult, err error) error {
	if err == nil && found[0].ErrorCode != sarama.ErrNoError {
		err = found[0].ErrorCode
	}
	return err
}

func (s *saramaClient) credential(user string) (int32, error) {
	found, err := s.admin.DescribeUserScramCredentials([]string{user})
	if err != nil {
		return 0, err
	}
	if found[0].ErrorCode != sarama.ErrNoError {
		return 0, found[0].ErrorCode
	}
	return found[0].CredentialInfos[0].Iterations, nil
}
