package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/inframetadata"
	hostpayload "github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/inframetadata/payload"
	"github.com/DataDog/gohai/cpu"
	"github.com/DataDog/gohai/memory"
	"github.com/DataDog/gohai/network"
	"github.com/DataDog/gohai/platform"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

// `hosts`: a signal and an OTLP request of it, a frame each; out: a line each with the metadata that the reporter of the
// Collector's exporter pushes for it, in its order, and what it finds wrong.
//
// `machine`: nothing in; out: what the Collector's exporter tells of its own machine.
//
// `metadata`: payloads as they go out, a frame each; out: each as Datadog's own type reads and writes it again.
func init() {
	kinds["hosts"] = hosts
	kinds["machine"] = machine
	kinds["metadata"] = metadata
}

// pushed keeps what a reporter gives.
type pushed struct{ payloads []hostpayload.HostMetadata }

func (p *pushed) Push(_ context.Context, md hostpayload.HostMetadata) error {
	// As the exporter's own pusher: what has no name is not told of.
	if md.Meta.Hostname != "" {
		p.payloads = append(p.payloads, md)
	}
	return nil
}

type hostsAnswer struct {
	Payloads []json.RawMessage `json:"payloads"`
	Error    string            `json:"error"`
}

func hosts(in io.Reader, out io.Writer) error {
	pusher := &pushed{}
	reporter, err := inframetadata.NewReporter(zap.NewNop(), pusher, time.Hour)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for {
		signal, err := frame(in)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		request, err := frame(in)
		if err != nil {
			return err
		}
		pusher.payloads = nil
		answer := hostsAnswer{Payloads: []json.RawMessage{}}
		if err := consume(reporter, string(signal), request); err != nil {
			answer.Error = err.Error()
		}
		for _, md := range pusher.payloads {
			text, err := json.Marshal(&md)
			if err != nil {
				return err
			}
			answer.Payloads = append(answer.Payloads, text)
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
}

func consume(reporter *inframetadata.Reporter, signal string, request []byte) error {
	switch signal {
	case "metrics":
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(request)
		if err != nil {
			return err
		}
		return reporter.ConsumeMetrics(md)
	case "traces":
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
		if err != nil {
			return err
		}
		var first error
		for i := 0; i < td.ResourceSpans().Len(); i++ {
			if err := reporter.ConsumeResource(td.ResourceSpans().At(i).Resource()); err != nil && first == nil {
				first = err
			}
		}
		return first
	default:
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request)
		if err != nil {
			return err
		}
		var first error
		for i := 0; i < ld.ResourceLogs().Len(); i++ {
			if err := reporter.ConsumeResource(ld.ResourceLogs().At(i).Resource()); err != nil && first == nil {
				first = err
			}
		}
		return first
	}
}

func machine(_ io.Reader, out io.Writer) error {
	told := map[string]any{}
	for name, collect := range map[string]func() (any, error){
		"cpu": new(cpu.Cpu).Collect, "memory": new(memory.Memory).Collect,
		"network": new(network.Network).Collect, "platform": new(platform.Platform).Collect,
	} {
		// What a machine does not tell is missing, as in the exporter.
		if found, err := collect(); err == nil {
			told[name] = found
		}
	}
	return json.NewEncoder(out).Encode(told)
}

func metadata(in io.Reader, out io.Writer) error {
	encoder := json.NewEncoder(out)
	for {
		body, err := frame(in)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		md := hostpayload.NewEmpty()
		if err := json.Unmarshal(body, &md); err != nil {
			return err
		}
		if err := encoder.Encode(&md); err != nil {
			return err
		}
	}
}
