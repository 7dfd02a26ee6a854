//! Posts as Alertmanager sends them, every alert distinct, at the price of overwriting a few digits.
//!
//! Shared with the yardstick, so that both write the same bytes; only `std` is used here.

/// Digits that tell one alert from another: in the fingerprint and in the pod's name.
const DIGITS: usize = 16;
const HOLE: &str = "0000000000000000";

/// A post that is rendered once and then renumbered.
#[derive(Clone, Debug)]
pub struct Posts {
    text: Vec<u8>,
    /// Where each alert's digits stand: of its pod, and of its fingerprint.
    holes: Vec<[usize; 2]>,
}

impl Posts {
    /// Posts of so many alerts with this `alertname`; `before` goes ahead of the body in the same buffer.
    pub fn new(alerts: usize, alertname: &str, before: impl FnOnce(usize) -> String) -> Self {
        let bodies: Vec<String> = (0..alerts).map(|_| alert(alertname)).collect();
        let body = envelope(alertname, &bodies.join(","));
        let mut text = before(body.len());
        text.push_str(&body);
        let mut found = text.match_indices(HOLE).map(|(at, _)| at);
        let mut holes = Vec::with_capacity(alerts);
        while let (Some(pod), Some(fingerprint)) = (found.next(), found.next()) {
            holes.push([pod, fingerprint]);
        }
        assert_eq!(holes.len(), alerts, "each alert has two holes");
        Self {
            text: text.into_bytes(),
            holes,
        }
    }

    /// The post number `n`: its alerts are those from `n * alerts` on.
    pub fn number(&mut self, n: u64) -> &[u8] {
        let first = n * self.holes.len() as u64;
        for (alert, [pod, fingerprint]) in (first..).zip(&self.holes) {
            for (at, value) in [(*pod, alert), (*fingerprint, alert.wrapping_mul(0x9e37_79b9_7f4a_7c15))] {
                hexadecimal(&mut self.text[at..at + DIGITS], value);
            }
        }
        &self.text
    }
}

fn hexadecimal(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn alert(alertname: &str) -> String {
    format!(
        concat!(
            r#"{{"status":"firing","labels":{{"alertname":"{}","container":"app","namespace":"shop","#,
            r#""pod":"cart-{}","severity":"warning","uid":"5d3b5a3c-6a0e-4b9e-9d7e-0c8f4f6f2b11"}},"#,
            r#""annotations":{{"description":"Container app of pod shop/cart restarts again and again.","#,
            r#""summary":"A container is crash looping."}},"startsAt":"2026-11-22T08:00:00.000Z","#,
            r#""endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example:9090/graph?g0.expr=up&g0.tab=1","#,
            r#""fingerprint":"{}"}}"#
        ),
        alertname, HOLE, HOLE
    )
}

fn envelope(alertname: &str, alerts: &str) -> String {
    format!(
        concat!(
            r#"{{"version":"4","groupKey":"{{}}:{{alertname=\"{0}\"}}","truncatedAlerts":0,"receiver":"selfhealer","#,
            r#""status":"firing","groupLabels":{{"alertname":"{0}"}},"commonLabels":{{"alertname":"{0}","namespace":"shop"}},"#,
            r#""commonAnnotations":{{"summary":"A container is crash looping."}},"externalURL":"http://alertmanager.example:9093","#,
            r#""alerts":[{1}]}}"#
        ),
        alertname, alerts
    )
}
