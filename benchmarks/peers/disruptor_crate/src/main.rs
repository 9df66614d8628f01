//! The `disruptor` crate as a peer of benchmarks/ring.py: runs slices of one workload on request.
//!
//! `peer WORKLOAD STRATEGY CORE CORE` answers `ready` (it pins its threads itself, where there are two) and then each
//! line `WORKLOAD STRATEGY MESSAGES` by `ok NANOSECONDS CHECKSUM`. An event is one u64; producers write 0, 1, 2...,
//! each consumer adds up all that it gets, the checksum is the sum of that. Every slice builds its disruptor anew and
//! lets it end: its consumers cannot be told to rest in between.

use core_affinity::CoreId;
use disruptor::wait_strategies::WaitStrategy;
use disruptor::*;
use std::env;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

const RING: usize = 1 << 16;

struct Event {
    value: u64,
}

/// What the consumers leave: the sum of all they got, and when the last of them had its last event.
struct Ends {
    total: AtomicU64,
    end_ns: AtomicU64,
}

struct Slice {
    workload: String,
    messages: u64,
    cores: (usize, usize),
    epoch: Instant,
    ends: Arc<Ends>,
}

impl Slice {
    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn adder(&self) -> impl FnMut(&Event, Sequence, bool) + Send + 'static {
        let (ends, epoch) = (Arc::clone(&self.ends), self.epoch);
        let last = self.messages as Sequence - 1;
        let mut total = 0u64;
        move |event: &Event, sequence: Sequence, _: bool| {
            total = total.wrapping_add(event.value);
            if sequence == last {
                ends.end_ns.fetch_max(epoch.elapsed().as_nanos() as u64, Ordering::AcqRel);
                ends.total.fetch_add(total, Ordering::AcqRel);
            }
        }
    }

    /// Publish everything and return when that began; the producer is dropped, which waits for the consumers.
    fn publish<P: Producer<Event>>(&self, mut producer: P, batch: usize) -> u64 {
        let start_ns = self.now_ns();
        if batch == 1 {
            for value in 0..self.messages {
                producer.publish(|event| event.value = value);
            }
        } else {
            for first in (0..self.messages).step_by(batch) {
                producer.batch_publish(batch, |events| {
                    for (value, event) in (first..).zip(events) {
                        event.value = value;
                    }
                });
            }
        }
        start_ns
    }

    fn unicast<W: WaitStrategy + 'static>(&self, strategy: W, batch: usize) -> u64 {
        let producer = build_single_producer(RING, || Event { value: 0 }, strategy)
            .pin_at_core(self.cores.1)
            .handle_events_with(self.adder())
            .build();
        let publish = || {
            core_affinity::set_for_current(CoreId { id: self.cores.0 });
            self.publish(producer, batch)
        };
        thread::scope(|scope| scope.spawn(publish).join().expect("a start")) // this thread keeps both cores
    }

    fn multicast<W: WaitStrategy + 'static>(&self, strategy: W) -> u64 {
        let producer = build_single_producer(RING, || Event { value: 0 }, strategy)
            .handle_events_with(self.adder())
            .handle_events_with(self.adder())
            .handle_events_with(self.adder())
            .build();
        self.publish(producer, 1)
    }

    fn pipeline<W: WaitStrategy + 'static>(&self, strategy: W) -> u64 {
        let producer = build_single_producer(RING, || Event { value: 0 }, strategy)
            .handle_events_with(self.adder())
            .and_then()
            .handle_events_with(self.adder())
            .and_then()
            .handle_events_with(self.adder())
            .build();
        self.publish(producer, 1)
    }

    fn diamond<W: WaitStrategy + 'static>(&self, strategy: W) -> u64 {
        let producer = build_single_producer(RING, || Event { value: 0 }, strategy)
            .handle_events_with(self.adder())
            .handle_events_with(self.adder())
            .and_then()
            .handle_events_with(self.adder())
            .build();
        self.publish(producer, 1)
    }

    fn producers<W: WaitStrategy + 'static>(&self, strategy: W) -> u64 {
        let first = build_multi_producer(RING, || Event { value: 0 }, strategy)
            .handle_events_with(self.adder())
            .build();
        let (second, third) = (first.clone(), first.clone());
        let share = self.messages / 3;
        let start = Barrier::new(3);
        let start_ns = AtomicU64::new(u64::MAX);
        thread::scope(|scope| {
            for mut producer in [first, second, third] {
                let (start, start_ns) = (&start, &start_ns);
                scope.spawn(move || {
                    start.wait();
                    start_ns.fetch_min(self.now_ns(), Ordering::AcqRel);
                    for value in 0..share {
                        producer.publish(|event| event.value = value);
                    }
                });
            }
        });
        start_ns.load(Ordering::Acquire)
    }

    fn run<W: WaitStrategy + 'static>(&self, strategy: W) -> Result<u64, String> {
        match self.workload.as_str() {
            "unicast" => Ok(self.unicast(strategy, 1)),
            "batch16" => Ok(self.unicast(strategy, 16)),
            "batch64" => Ok(self.unicast(strategy, 64)),
            "multicast" => Ok(self.multicast(strategy)),
            "pipeline" => Ok(self.pipeline(strategy)),
            "diamond" => Ok(self.diamond(strategy)),
            "producers" => Ok(self.producers(strategy)),
            other => Err(format!("workload: {other}")),
        }
    }
}

fn answer(line: &str, cores: (usize, usize)) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [workload, strategy, messages] = words[..] else {
        return Err(format!("expected a workload, a strategy and a number, was {line}"));
    };
    let ends = Arc::new(Ends { total: AtomicU64::new(0), end_ns: AtomicU64::new(0) });
    let slice = Slice {
        workload: workload.to_string(),
        messages: messages.parse().map_err(|error| format!("messages: {error}"))?,
        cores,
        epoch: Instant::now(),
        ends: Arc::clone(&ends),
    };
    let start_ns = match strategy {
        "busy" => slice.run(BusySpin)?,
        "hint" => slice.run(BusySpinWithSpinLoopHint)?,
        other => return Err(format!("strategy: {other}")),
    };
    let spent_ns = ends.end_ns.load(Ordering::Acquire) - start_ns;
    Ok(format!("{spent_ns} {}", ends.total.load(Ordering::Acquire) as i64))
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let core = |index: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(0);
    println!("ready");
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match answer(&line, (core(3), core(4))) {
            Ok(figures) => println!("ok {figures}"),
            Err(text) => println!("error {text}"),
        }
        io::stdout().flush().expect("a reader");
    }
}
