package main

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
)

func (f *franz) setQuota(id, key string, value *float64) error {
	ctx, cancel := limited()
	defer cancel()
	op := kadm.AlterClientQuotaOp{Key: key, Remove: value == nil}
	if value != nil {
		op.Value = *value
	}
	entity := kadm.ClientQuotaEntity{{Type: "client-id", Name: &id}}
	found, err := f.admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: []kadm.AlterClientQuotaOp{op}}})
	for _, one := range found {
		err = errors.Join(err, one.Err)
	}
	return err
}

func (f *franz) quotas(id string) (map[string]float64, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.DescribeClientQuotas(ctx, true, []kadm.DescribeClientQuotaComponent{{Type: "client-id", MatchName: &id}})
	values := map[string]float64{}
	for _, one := range found {
		for _, value := range one.Values {
			values[value.Key] = value.Value
		}
	}
	return values, err
}

func (f *franz) setCredential(user string, iterations int32) error {
	return f.alterCredential(nil, []kadm.UpsertSCRAM{
		{User: user, Mechanism: kadm.ScramSha256, Iterations: iterations, Password: "secret"},
	})
}

func (f *franz) deleteCredential(user string) error {
	return f.alterCredential([]kadm.DeleteSCRAM{{User: user, Mechanism: kadm.ScramSha256}}, nil)
}

func (f *franz) alterCredential(gone []kadm.DeleteSCRAM, made []kadm.UpsertSCRAM) error {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.AlterUserSCRAMs(ctx, gone, made)
	for _, one := range found {
		err = errors.Join(err, one.Err)
	}
	return err
}

func (f *franz) credential(user string) (int32, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.DescribeUserSCRAMs(ctx, user)
	if err != nil {
		return 0, err
	}
	one := found[user]
	if one.Err != nil {
		return 0, one.Err
	}
	return one.CredInfos[0].Iterations, nil
}
