//! What the order books written in Rust have in common as peers of benchmarks/matching.py.
//!
//! `peer FLOW COUNT CORE CORE` loads a flow file (benchmarks/flow_file.py), answers `ready`, and then each line `run`
//! by `ok {...}`. A run makes the books anew, sends the rows before the clock starts, waits until the reader has read
//! all reports of them, starts the clock, sends COUNT more rows on the first core, and stops the clock when the reader
//! on the second core has read the last report. Reports of four words go through a ring for one producer and one
//! consumer, published after every 64 rows; making books, loading the flow and letting books go are not timed.

#![allow(dead_code)] // no book needs all of it

use core_affinity::CoreId;
use std::cell::UnsafeCell;
use std::env;
use std::fs;
use std::hint::spin_loop;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

pub const NEW: i64 = 1;
pub const CANCEL: i64 = 2;
pub const REPLACE: i64 = 3;
pub const REDUCE: i64 = 4;

pub const ACCEPTED: i64 = 1;
pub const TRADED: i64 = 2;
pub const REST: i64 = 3;
pub const CANCELLED: i64 = 4;
pub const REPLACED: i64 = 5;
pub const REJECTED: i64 = 6;
const END: i64 = 7;

const MAGIC: i64 = 0x574F_4C46_474E_4952;
const ROW_WORDS: usize = 6;
const REPORT_WORDS: usize = 4;
const RING: usize = 1 << 16;
const ROWS_A_BATCH: usize = 64;
const DIGEST_FACTOR: i64 = 1_000_003;

/// A command of the flow.
#[derive(Clone, Copy)]
pub struct Row {
    pub number: i64,
    pub kind: i64,
    pub buys: bool,
    pub rests: bool,
    pub instrument: usize,
    pub order: i64,
    pub price: i64,
    pub qty: i64,
    pub less: i64,
}

/// Books of all instruments.
pub trait Engine {
    fn new(instruments: usize, rows: usize) -> Self;
    /// Carry out a command and report what came of it.
    fn apply(&mut self, row: &Row, reports: &mut Reports);
    /// How many orders rest in all books, and how many lots.
    fn resting(&self) -> (i64, i64);
}

#[repr(align(128))]
struct Cursor(AtomicU64);

struct Ring {
    slots: Box<[UnsafeCell<[i64; REPORT_WORDS]>]>,
    written: Cursor,
    read: Cursor,
}

// One thread writes slots that the other does not read before `written` has passed them.
unsafe impl Sync for Ring {}

/// The writing side of the ring.
pub struct Reports<'a> {
    ring: &'a Ring,
    written: u64,
    read: u64,
    row: i64,
}

impl Reports<'_> {
    #[inline(always)]
    pub fn push(&mut self, what: i64, order: i64, price: i64, lots: i64) {
        if self.written - self.read == RING as u64 {
            self.wait_for_room();
        }
        let slot = &self.ring.slots[self.written as usize & (RING - 1)];
        unsafe { *slot.get() = [what | self.row << 8, order, price, lots] };
        self.written += 1;
    }

    #[cold]
    fn wait_for_room(&mut self) {
        self.publish();
        while self.written - self.read == RING as u64 {
            spin_loop();
            self.read = self.ring.read.0.load(Ordering::Acquire);
        }
    }

    fn publish(&mut self) {
        self.ring.written.0.store(self.written, Ordering::Release);
    }

    fn wait_until_read(&mut self) {
        self.publish();
        while self.ring.read.0.load(Ordering::Acquire) < self.written {
            spin_loop();
        }
    }
}

#[derive(Default)]
struct Totals {
    reports: i64,
    trades: i64,
    lots: i64,
    rejects: i64,
    digest: i64,
    sum: i64,
    end_ns: u64,
}

fn read(ring: &Ring, epoch: Instant) -> Totals {
    let mut totals = Totals::default();
    let mut cursor = 0u64;
    loop {
        let written = ring.written.0.load(Ordering::Acquire);
        if written == cursor {
            spin_loop();
            continue;
        }
        while cursor < written {
            let [head, order, price, lots] = unsafe { *ring.slots[cursor as usize & (RING - 1)].get() };
            cursor += 1;
            totals.sum = totals.sum.wrapping_add(head).wrapping_add(order).wrapping_add(price).wrapping_add(lots);
            match head & 0xFF {
                TRADED => {
                    totals.trades += 1;
                    totals.lots += lots;
                    for word in [head >> 8, order, price, lots] {
                        totals.digest = totals.digest.wrapping_mul(DIGEST_FACTOR).wrapping_add(word);
                    }
                }
                REJECTED => totals.rejects += 1,
                END => {
                    totals.end_ns = epoch.elapsed().as_nanos() as u64;
                    return totals;
                }
                _ => {}
            }
            totals.reports += 1;
        }
        ring.read.0.store(cursor, Ordering::Release);
    }
}

struct Flow {
    words: Vec<i64>,
    rows: usize,
    prefill: usize,
    instruments: usize,
}

impl Flow {
    fn load(path: &str) -> Flow {
        let bytes = fs::read(path).expect("a flow file");
        let words: Vec<i64> = bytes.chunks_exact(8).map(|word| i64::from_le_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words[0], MAGIC, "a flow file");
        Flow { rows: words[1] as usize, prefill: words[2] as usize, instruments: words[3] as usize, words }
    }

    #[inline(always)]
    fn row(&self, index: usize) -> Row {
        let at = (index + 1) * ROW_WORDS;
        let words = &self.words[at..at + ROW_WORDS];
        Row {
            number: index as i64 + 1,
            kind: words[0] & 0xFF,
            buys: words[0] >> 8 & 0xFF == 1,
            rests: words[0] >> 16 & 0xFF == 1,
            instrument: (words[0] >> 32) as usize - 1,
            order: words[1],
            price: words[2],
            qty: words[3],
            less: words[4],
        }
    }
}

fn send<E: Engine>(engine: &mut E, flow: &Flow, rows: std::ops::Range<usize>, reports: &mut Reports) {
    for index in rows {
        let row = flow.row(index);
        reports.row = row.number;
        engine.apply(&row, reports);
        if index % ROWS_A_BATCH == 0 {
            reports.publish();
        }
    }
    reports.publish();
}

fn run<E: Engine>(flow: &Flow, count: usize, cores: (usize, usize)) -> String {
    let slots = (0..RING).map(|_| UnsafeCell::new([0; REPORT_WORDS])).collect();
    let ring = Ring { slots, written: Cursor(AtomicU64::new(0)), read: Cursor(AtomicU64::new(0)) };
    let epoch = Instant::now();
    let last = flow.rows.min(flow.prefill + count);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            core_affinity::set_for_current(CoreId { id: cores.1 });
            read(&ring, epoch)
        });
        let writer = scope.spawn(|| {
            core_affinity::set_for_current(CoreId { id: cores.0 });
            let mut engine = E::new(flow.instruments, flow.rows);
            let mut reports = Reports { ring: &ring, written: 0, read: 0, row: 0 };
            send(&mut engine, flow, 0..flow.prefill, &mut reports);
            reports.wait_until_read();
            let start_ns = epoch.elapsed().as_nanos() as u64;
            send(&mut engine, flow, flow.prefill..last, &mut reports);
            reports.push(END, 0, 0, 0);
            reports.publish();
            (start_ns, engine.resting())
        });
        let (start_ns, (orders, lots)) = writer.join().expect("a run");
        let totals = reader.join().expect("a reader");
        std::hint::black_box(totals.sum);
        format!(
            "{{\"ns\":{},\"reports\":{},\"trades\":{},\"lots\":{},\"rejects\":{},\"digest\":{},\
             \"resting_orders\":{orders},\"resting_lots\":{lots}}}",
            totals.end_ns - start_ns, totals.reports, totals.trades, totals.lots, totals.rejects, totals.digest,
        )
    })
}

/// Serve runs until stdin ends.
pub fn serve<E: Engine>() {
    let arguments: Vec<String> = env::args().collect();
    let number = |index: usize| arguments[index].parse::<usize>().expect("a number");
    let flow = Flow::load(&arguments[1]);
    println!("ready");
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.as_str() {
            "run" => println!("ok {}", run::<E>(&flow, number(2), (number(3), number(4)))),
            other => println!("error expected run, was {other}"),
        }
        io::stdout().flush().expect("a reader");
    }
}
