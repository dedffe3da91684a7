//! What a target has requests go through in order.

use super::*;

/// Writes behind the name of each span the how-manieth it is.
struct Counting(usize);

impl Ordered for Counting {
    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes> {
        let mut request = ExportTraceServiceRequest::decode(request)?;
        let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
        for span in scopes.flat_map(|scope| &mut scope.spans) {
            self.0 += 1;
            span.name = format!("{}{}", span.name, self.0);
        }
        Ok(request.encode_to_vec().into())
    }
}

pub(super) fn counting() -> Box<dyn Ordered> {
    Box::new(Counting(0))
}

#[tokio::test]
async fn requests_pass_what_keeps_their_order_once_each_also_where_they_do_not_fit_and_over_a_restart() {
    let mut bench = Bench::new(Sink { counts: true, ..Sink::default() }, &["a", "b", "c"]);
    // Each frame but the first is looked at twice: it has no room in the batch before it.
    bench.items_max = 1;
    bench.run().await;
    assert_eq!(bench.taken(), ["a1", "b2", "c3"]);
    bench.frames.frames.lock().unwrap().extend([frame(Signal::Metrics, "x"), frame(Signal::Traces, "d")]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a1", "b2", "c3", "d4"], "what came before the cursor is known again, and not sent");
}
