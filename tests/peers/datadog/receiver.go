package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"

	pb "github.com/DataDog/datadog-agent/pkg/proto/pbgo/trace"
	"github.com/DataDog/datadog-agent/pkg/trace/api"
	"github.com/DataDog/datadog-agent/pkg/trace/config"
	"github.com/DataDog/datadog-agent/pkg/trace/sampler"
	"github.com/DataDog/datadog-agent/pkg/trace/telemetry"
	"github.com/DataDog/datadog-agent/pkg/trace/timing"
	"github.com/DataDog/datadog-go/v5/statsd"
)

// `receiver`: a line of JSON in, a line of JSON out. In: a request to a local Agent, with its headers. Out: what the Agent's
// own receiver answers to it, and takes out of it and its headers.
func init() { kinds["receiver"] = receiver }

type request struct {
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
}

type taken struct {
	Status           int    `json:"status"`
	Told             string `json:"told"`
	Chunks           int    `json:"chunks"`
	Spans            int    `json:"spans"`
	ComputedStats    bool   `json:"computed_stats"`
	ComputedTopLevel bool   `json:"computed_top_level"`
	Groups           int    `json:"groups"`
	ContainerID      string `json:"container_id"`
	Language         string `json:"language"`
	TracerVersion    string `json:"tracer_version"`
	// What a body of statistics says itself, though the Agent goes by the header.
	ContainerInBody string `json:"container_in_body"`
}

// counts keeps what the receiver makes of statistics.
type counts struct{ last taken }

func (c *counts) ProcessStats(
	_ context.Context, p *pb.ClientStatsPayload, lang, tracerVersion, containerID, _ string,
) error {
	c.last = taken{ContainerID: containerID, Language: lang, TracerVersion: tracerVersion, ContainerInBody: p.ContainerID}
	for _, b := range p.Stats {
		c.last.Groups += len(b.Stats)
	}
	return nil
}

func receiver(in io.Reader, out io.Writer) error {
	conf := config.New()
	conf.Endpoints[0].APIKey = "none"
	conf.DecoderTimeout = 10_000
	conf.HasContainerFeatures = true
	conf.ContainerProcRoot = "/proc"
	nothing := &statsd.NoOpClient{}
	payloads := make(chan *api.PayloadV1, 1)
	stats := &counts{}
	r := api.NewHTTPReceiver(
		conf, sampler.NewDynamicConfig(), make(chan *api.Payload, 1), payloads, stats, telemetry.NewNoopCollector(), nothing,
		timing.New(nothing),
	)
	r.BuildHandlers()
	lines, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var asked request
		if err := lines.Decode(&asked); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		req := httptest.NewRequest(http.MethodPost, asked.Path, bytes.NewReader(asked.Body))
		for name, value := range asked.Headers {
			req.Header.Set(name, value)
		}
		answer := httptest.NewRecorder()
		stats.last = taken{}
		r.Handlers[asked.Path].ServeHTTP(answer, req)
		told := stats.last
		select {
		case p := <-payloads:
			told.ComputedStats, told.ComputedTopLevel = p.ClientComputedStats, p.ClientComputedTopLevel
			told.ContainerID, told.Language = p.TracerPayload.ContainerID(), p.TracerPayload.LanguageName()
			told.TracerVersion = p.TracerPayload.TracerVersion()
			for _, c := range p.TracerPayload.Chunks {
				told.Chunks++
				told.Spans += len(c.Spans)
			}
		default:
		}
		told.Status, told.Told = answer.Code, answer.Body.String()
		if err := encoder.Encode(told); err != nil {
			return err
		}
	}
}
