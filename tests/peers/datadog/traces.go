package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes"
	pb "github.com/DataDog/datadog-agent/pkg/proto/pbgo/trace"
	"github.com/DataDog/datadog-agent/pkg/trace/agent"
	"github.com/DataDog/datadog-agent/pkg/trace/api"
	"github.com/DataDog/datadog-agent/pkg/trace/config"
	"github.com/DataDog/datadog-agent/pkg/trace/sampler"
	"github.com/DataDog/datadog-agent/pkg/trace/stats"
	"github.com/DataDog/datadog-agent/pkg/trace/telemetry"
	"github.com/DataDog/datadog-agent/pkg/trace/timing"
	"github.com/DataDog/datadog-agent/pkg/trace/transform"
	"github.com/DataDog/datadog-agent/pkg/trace/writer"
	"github.com/DataDog/datadog-go/v5/statsd"
	"github.com/DataDog/sketches-go/ddsketch/pb/sketchpb"
	"github.com/tinylib/msgp/msgp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/proto"
)

// `traces`: a line of JSON in, a line of JSON out. In: settings, an OTLP request in protobuf, and the bodies that
// Spanwise made of it. Out: the spans and statistics that the Agent makes of the request ("agent"), and those that
// Datadog's types read out of Spanwise's bodies ("spanwise"), both in one form. Chunks stand in the order of their trace
// ids, statistics in the order of their keys, for the Agent's own order is one of chance.
func init() { kinds["traces"] = traces }

type settings struct {
	Hostname                  string            `json:"hostname"`
	AgentVersion              string            `json:"agent_version"`
	ComputeStatsBySpanKind    bool              `json:"compute_stats_by_span_kind"`
	ComputeTopLevelBySpanKind bool              `json:"compute_top_level_by_span_kind"`
	PeerTagsAggregation       bool              `json:"peer_tags_aggregation"`
	PeerTags                  []string          `json:"peer_tags"`
	IgnoreResources           []string          `json:"ignore_resources"`
	SpanNameRemappings        map[string]string `json:"span_name_remappings"`
	SpanNameAsResourceName    bool              `json:"span_name_as_resource_name"`
}

type question struct {
	Settings json.RawMessage `json:"settings"`
	Request  []byte          `json:"request"`
	Traces   [][]byte        `json:"traces"`
	Stats    [][]byte        `json:"stats"`
	// For a local Agent, in MessagePack: one resource and one key of statistics each.
	LocalTraces [][]byte `json:"local_traces"`
	LocalStats  [][]byte `json:"local_stats"`
}

type side struct {
	Traces []payload `json:"traces"`
	Stats  []counted `json:"stats"`
}

type answer struct {
	Agent    side `json:"agent"`
	Spanwise side `json:"spanwise"`
	Local    side `json:"local"`
}

func traces(in io.Reader, out io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	encoder := json.NewEncoder(out)
	agents := map[string]*oracle{}
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			return err
		}
		key := string(asked.Settings)
		if agents[key] == nil {
			var s settings
			if err := json.Unmarshal(asked.Settings, &s); err != nil {
				return err
			}
			if agents[key], err = newOracle(s); err != nil {
				return err
			}
		}
		var told answer
		if told.Agent, err = agents[key].ask(asked.Request); err != nil {
			return err
		}
		if told.Spanwise, err = decode(asked); err != nil {
			return err
		}
		if told.Local, err = decodeLocal(asked, agents[key].conf); err != nil {
			return err
		}
		if err := encoder.Encode(told); err != nil {
			return err
		}
	}
}

// === the Agent ===

// oracle is an Agent that sends nothing.
type oracle struct {
	conf  *config.AgentConfig
	in    chan *api.Payload
	otlp  *api.OTLPReceiver
	agent *agent.Agent
	sent  *sent
}

// sent keeps what the Agent would send.
type sent struct {
	traces []*pb.TracerPayload
	stats  *pb.StatsPayload
}

func (*sent) Stop()                       {}
func (*sent) FlushSync() error            { return nil }
func (*sent) UpdateAPIKey(string, string) {}
func (s *sent) WriteChunks(p *writer.SampledChunks) {
	s.traces = append(s.traces, p.TracerPayload)
}
func (s *sent) Write(p *pb.StatsPayload) { s.stats = p }

type gzipped struct{}

func (gzipped) NewWriter(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
func (gzipped) NewReader(r io.Reader) (io.ReadCloser, error)  { return gzip.NewReader(r) }
func (gzipped) Encoding() string                              { return "gzip" }

func newOracle(s settings) (*oracle, error) {
	conf := config.New()
	conf.Hostname = s.Hostname
	conf.AgentVersion = s.AgentVersion
	conf.Endpoints[0].APIKey = "none"
	conf.ReceiverEnabled = false
	conf.ComputeStatsBySpanKind = s.ComputeStatsBySpanKind
	conf.PeerTagsAggregation = s.PeerTagsAggregation
	conf.PeerTags = s.PeerTags
	conf.Ignore["resource"] = s.IgnoreResources
	conf.OTLPReceiver.SpanNameRemappings = s.SpanNameRemappings
	conf.OTLPReceiver.SpanNameAsResourceName = s.SpanNameAsResourceName
	if s.ComputeTopLevelBySpanKind {
		conf.Features["enable_otlp_compute_top_level_by_span_kind"] = struct{}{}
	}
	// As the Agent is set up out of the box; the package alone leaves them off.
	conf.Obfuscation.ES.Enabled = true
	conf.Obfuscation.OpenSearch.Enabled = true
	conf.Obfuscation.Mongo.Enabled = true
	conf.Obfuscation.Redis.Enabled = true
	conf.Obfuscation.Valkey.Enabled = true
	conf.Obfuscation.Memcached.Enabled = true
	conf.Obfuscation.CreditCards.Enabled = true
	// Its samplers keep all that they are asked for.
	conf.ErrorTPS, conf.TargetTPS, conf.MaxEPS = 1e9, 1e9, 1e9
	translator, err := attributes.NewTranslator(component.TelemetrySettings{MeterProvider: noop.NewMeterProvider()})
	if err != nil {
		return nil, err
	}
	conf.OTLPReceiver.AttributesTranslator = translator
	o := &oracle{conf: conf, in: make(chan *api.Payload, 1)}
	nothing := &statsd.NoOpClient{}
	o.otlp = api.NewOTLPReceiver(o.in, conf, nothing, timing.New(nothing))
	o.agent = agent.NewAgent(context.Background(), conf, telemetry.NewNoopCollector(), nothing, gzipped{})
	return o, nil
}

// fresh forgets what came before: samplers have seen nothing, windows are open since 1970, and how the last statement
// was escaped says nothing of the next.
func (o *oracle) fresh() {
	nothing := &statsd.NoOpClient{}
	o.sent = &sent{}
	o.agent.TraceWriter = o.sent
	o.agent.Concentrator = stats.NewConcentrator(o.conf, o.sent, time.Unix(0, 0), nothing)
	o.agent.PrioritySampler = sampler.NewPrioritySampler(o.conf, sampler.NewDynamicConfig())
	o.agent.ErrorsSampler = sampler.NewErrorsSampler(o.conf)
	obfuscator := reflect.ValueOf(o.agent).Elem().FieldByName("obfuscator")
	reflect.NewAt(obfuscator.Type(), unsafe.Pointer(obfuscator.UnsafeAddr())).Elem().SetZero()
}

func (o *oracle) ask(request []byte) (side, error) {
	asked := ptraceotlp.NewExportRequest()
	if err := asked.UnmarshalProto(request); err != nil {
		return side{}, err
	}
	o.fresh()
	all := asked.Traces().ResourceSpans()
	for i := range all.Len() {
		if _, err := o.otlp.ReceiveResourceSpans(context.Background(), all.At(i), http.Header{}, nil); err != nil {
			return side{}, err
		}
		payload := <-o.in
		inOrder(payload.TracerPayload, all.At(i))
		o.agent.Process(payload)
	}
	counts := o.agent.Concentrator.(*stats.Concentrator).Flush(true)
	return side{Traces: payloads(o.sent.traces), Stats: statistics(counts)}, nil
}

// inOrder puts chunks into the order that their traces appear in.
func inOrder(payload *pb.TracerPayload, spans ptrace.ResourceSpans) {
	order := map[uint64]int{}
	for i := range spans.ScopeSpans().Len() {
		scoped := spans.ScopeSpans().At(i).Spans()
		for j := range scoped.Len() {
			id := transform.OTelTraceIDToUint64(scoped.At(j).TraceID())
			if _, known := order[id]; !known {
				order[id] = len(order)
			}
		}
	}
	sort.SliceStable(payload.Chunks, func(i, j int) bool {
		return order[payload.Chunks[i].Spans[0].TraceID] < order[payload.Chunks[j].Spans[0].TraceID]
	})
}

// === what Spanwise sends ===

func decode(asked question) (side, error) {
	found := side{Stats: []counted{}}
	var all []*pb.TracerPayload
	for _, body := range asked.Traces {
		var message pb.AgentPayload
		if err := proto.Unmarshal(body, &message); err != nil {
			return found, fmt.Errorf("our traces: %w", err)
		}
		all = append(all, message.TracerPayloads...)
	}
	found.Traces = payloads(all)
	for _, body := range asked.Stats {
		var message pb.StatsPayload
		if err := msgp.Decode(bytes.NewReader(body), &message); err != nil {
			return found, fmt.Errorf("our statistics: %w", err)
		}
		found.Stats = append(found.Stats, statistics(&message)...)
	}
	return found, nil
}

// decodeLocal reads bodies for a local Agent as its receiver does.
func decodeLocal(asked question, conf *config.AgentConfig) (side, error) {
	var all []*pb.TracerPayload
	for _, body := range asked.LocalTraces {
		var message pb.TracerPayload
		if _, err := message.UnmarshalMsg(body); err != nil {
			return side{}, fmt.Errorf("our traces for an Agent: %w", err)
		}
		all = append(all, &message)
	}
	counts := &pb.StatsPayload{AgentHostname: conf.Hostname, AgentEnv: conf.DefaultEnv, AgentVersion: conf.AgentVersion}
	for _, body := range asked.LocalStats {
		var message pb.ClientStatsPayload
		if err := msgp.Decode(bytes.NewReader(body), &message); err != nil {
			return side{}, fmt.Errorf("our statistics for an Agent: %w", err)
		}
		// As `processStats` of the Agent does.
		if message.Env == "" {
			message.Env = conf.DefaultEnv
		}
		counts.Stats = append(counts.Stats, &message)
	}
	return side{Traces: payloads(all), Stats: statistics(counts)}, nil
}

// === one form for both ===

type payload struct {
	ContainerID   string            `json:"container_id"`
	Language      string            `json:"language"`
	LanguageMore  string            `json:"language_more"`
	TracerVersion string            `json:"tracer_version"`
	RuntimeID     string            `json:"runtime_id"`
	Tags          map[string]string `json:"tags"`
	ContainerTags []string          `json:"container_tags"`
	Env           string            `json:"env"`
	Hostname      string            `json:"hostname"`
	AppVersion    string            `json:"app_version"`
	Chunks        []chunk           `json:"chunks"`
}

type chunk struct {
	Priority int32             `json:"priority"`
	Origin   string            `json:"origin"`
	Tags     map[string]string `json:"tags"`
	Dropped  bool              `json:"dropped"`
	Spans    []span            `json:"spans"`
}

type span struct {
	Service  string            `json:"service"`
	Name     string            `json:"name"`
	Resource string            `json:"resource"`
	TraceID  string            `json:"trace_id"`
	SpanID   string            `json:"span_id"`
	ParentID string            `json:"parent_id"`
	Start    string            `json:"start"`
	Duration string            `json:"duration"`
	Error    int32             `json:"error"`
	Type     string            `json:"type"`
	Meta     map[string]string `json:"meta"`
	Metrics  map[string]string `json:"metrics"`
	More     int               `json:"more"`
}

func payloads(all []*pb.TracerPayload) []payload {
	found := []payload{}
	for _, p := range all {
		if len(p.Chunks) == 0 {
			continue
		}
		one := payload{
			ContainerID: p.ContainerID, Language: p.LanguageName, LanguageMore: p.LanguageVersion,
			TracerVersion: p.TracerVersion, RuntimeID: p.RuntimeID, Tags: map[string]string{},
			Env: p.Env, Hostname: p.Hostname, AppVersion: p.AppVersion,
		}
		for key, value := range p.Tags {
			if key == "_dd.tags.container" {
				one.ContainerTags = strings.Split(value, ",")
				sort.Strings(one.ContainerTags)
			} else {
				one.Tags[key] = value
			}
		}
		for _, c := range p.Chunks {
			held := chunk{Priority: c.Priority, Origin: c.Origin, Tags: c.Tags, Dropped: c.DroppedTrace}
			for _, s := range c.Spans {
				held.Spans = append(held.Spans, oneSpan(s))
			}
			one.Chunks = append(one.Chunks, held)
		}
		sort.SliceStable(one.Chunks, func(i, j int) bool {
			return one.Chunks[i].Spans[0].TraceID < one.Chunks[j].Spans[0].TraceID
		})
		found = append(found, one)
	}
	return found
}

func oneSpan(s *pb.Span) span {
	one := span{
		Service: s.Service, Name: s.Name, Resource: s.Resource, Error: s.Error, Type: s.Type,
		TraceID: strconv.FormatUint(s.TraceID, 16), SpanID: strconv.FormatUint(s.SpanID, 16),
		ParentID: strconv.FormatUint(s.ParentID, 16), Start: strconv.FormatInt(s.Start, 10),
		Duration: strconv.FormatInt(s.Duration, 10), Meta: s.Meta, Metrics: map[string]string{},
		More: len(s.MetaStruct) + len(s.SpanLinks) + len(s.SpanEvents),
	}
	if isNow(s.Start + s.Duration) {
		one.Start = "now"
	}
	for key, value := range s.Metrics {
		one.Metrics[key] = strconv.FormatFloat(value, 'g', -1, 64)
	}
	return one
}

// isNow tells a clock that stood still and was set right by one that does not: no span of the tests is of the last hour.
func isNow(nanoseconds int64) bool {
	return time.Since(time.Unix(0, nanoseconds)).Abs() < time.Hour
}

// counted is one group of statistics, with all that it is kept by.
type counted struct {
	Key          string             `json:"key"`
	PeerTags     []string           `json:"peer_tags"`
	Hits         uint64             `json:"hits"`
	TopLevelHits uint64             `json:"top_level_hits"`
	Errors       uint64             `json:"errors"`
	Duration     uint64             `json:"duration"`
	Ok           map[string]float64 `json:"ok"`
	Failed       map[string]float64 `json:"failed"`
}

func statistics(message *pb.StatsPayload) []counted {
	found := []counted{}
	for _, p := range message.Stats {
		for _, b := range p.Stats {
			for _, g := range b.Stats {
				start := strconv.FormatUint(b.Start, 10)
				if isNow(int64(b.Start)) {
					start = "now"
				}
				key, _ := json.Marshal([]any{
					message.AgentHostname, message.AgentEnv, message.AgentVersion, message.ClientComputed,
					p.Hostname, p.Env, p.Version, p.Lang, p.TracerVersion, p.RuntimeID, p.Service, p.ContainerID,
					list(p.Tags), p.GitCommitSha, p.ImageTag, p.ProcessTags, start, b.Duration, b.AgentTimeShift,
					g.Service, g.Name, g.Resource, g.Type, g.DBType, g.SpanKind, g.HTTPStatusCode, g.Synthetics,
					g.IsTraceRoot, g.GRPCStatusCode, g.HTTPMethod, g.HTTPEndpoint, g.ServiceSource, list(g.PeerTags),
				})
				found = append(found, counted{
					Key: string(key), PeerTags: list(g.PeerTags), Hits: g.Hits, TopLevelHits: g.TopLevelHits,
					Errors: g.Errors, Duration: g.Duration, Ok: bins(g.OkSummary), Failed: bins(g.ErrorSummary),
				})
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Key < found[j].Key })
	return found
}

// list is none where it is empty, however it was written.
func list(of []string) []string {
	if len(of) == 0 {
		return nil
	}
	return of
}

// bins are a sketch's counts by the index of their bin.
func bins(encoded []byte) map[string]float64 {
	var sketch sketchpb.DDSketch
	if err := proto.Unmarshal(encoded, &sketch); err != nil {
		return map[string]float64{"no sketch: " + err.Error() + " " + base64.StdEncoding.EncodeToString(encoded): 1}
	}
	found := map[string]float64{"gamma": sketch.Mapping.GetGamma(), "offset": sketch.Mapping.GetIndexOffset()}
	if count := sketch.ZeroCount; count != 0 {
		found["zero"] = count
	}
	for name, store := range map[string]*sketchpb.Store{"": sketch.PositiveValues, "-": sketch.NegativeValues} {
		for i, count := range store.GetContiguousBinCounts() {
			if count != 0 {
				found[name+strconv.Itoa(int(store.ContiguousBinIndexOffset)+i)] += count
			}
		}
		for i, count := range store.GetBinCounts() {
			found[name+strconv.Itoa(int(i))] += count
		}
	}
	return found
}
