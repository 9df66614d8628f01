//! The `orderbook-rs` crate as a peer of benchmarks/matching.py: see harness.rs.
//!
//! Trades come from the book's trade listener, for an IOC order with a rest is an error in what the call returns. A
//! replace with another price is the crate's own update of price and quantity, one with fewer lots its update of the
//! quantity, any other a cancel and a new order.

mod harness;

use harness::*;
use orderbook_rs::OrderBook;
use pricelevel::{Id, OrderUpdate, Price, Quantity, Side, TimeInForce};
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static TRADES: RefCell<Vec<(i64, i64, i64)>> = const { RefCell::new(Vec::new()) };
}

struct Books {
    books: Vec<OrderBook<()>>,
}

fn id_of(order: i64) -> Id {
    Id::Sequential(order as u64)
}

/// Report what the listener heard; return how many lots were traded.
fn report(reports: &mut Reports) -> i64 {
    TRADES.with_borrow_mut(|trades| {
        let mut traded = 0;
        for (maker, price, lots) in trades.drain(..) {
            traded += lots;
            reports.push(TRADED, maker, price, lots);
        }
        traded
    })
}

impl Books {
    fn place(&self, row: &Row, reports: &mut Reports) {
        let side = if row.buys { Side::Buy } else { Side::Sell };
        let tif = if row.rests { TimeInForce::Gtc } else { TimeInForce::Ioc };
        let book = &self.books[row.instrument];
        let _ = book.add_limit_order(id_of(row.order), row.price as u128, row.qty as u64, side, tif, None);
        let traded = report(reports);
        if !row.rests && traded < row.qty {
            reports.push(REST, row.order, 0, row.qty - traded);
        }
    }
}

impl Engine for Books {
    fn new(instruments: usize, _rows: usize) -> Self {
        let book = || {
            let listener = |result: &orderbook_rs::TradeResult| {
                TRADES.with_borrow_mut(|trades| {
                    for trade in result.match_result.trades().as_vec() {
                        let Id::Sequential(maker) = trade.maker_order_id() else { unreachable!() };
                        let (price, lots) = (trade.price().as_u128() as i64, trade.quantity().as_u64() as i64);
                        trades.push((maker as i64, price, lots));
                    }
                });
            };
            OrderBook::with_trade_listener("PEER", Arc::new(listener))
        };
        Books { books: (0..instruments).map(|_| book()).collect() }
    }

    fn apply(&mut self, row: &Row, reports: &mut Reports) {
        let book = &self.books[row.instrument];
        let order_id = id_of(row.order);
        match row.kind {
            NEW => {
                reports.push(ACCEPTED, row.order, row.price, row.qty);
                self.place(row, reports);
            }
            CANCEL => {
                let done = matches!(book.cancel_order(order_id), Ok(Some(_)));
                reports.push(if done { CANCELLED } else { REJECTED }, row.order, 0, 0);
            }
            REPLACE => {
                let Some(order) = book.get_order(order_id) else {
                    return reports.push(REJECTED, row.order, 0, 0);
                };
                reports.push(REPLACED, row.order, row.price, row.qty);
                if order.price().as_u128() as i64 != row.price {
                    let (new_price, new_quantity) = (Price::new(row.price as u128), Quantity::new(row.qty as u64));
                    let _ = book.update_order(OrderUpdate::UpdatePriceAndQuantity { order_id, new_price, new_quantity });
                    report(reports);
                } else {
                    let _ = book.cancel_order(order_id);
                    self.place(row, reports);
                }
            }
            _ => {
                let new_quantity = Quantity::new(row.qty as u64);
                let done = matches!(book.update_order(OrderUpdate::UpdateQuantity { order_id, new_quantity }), Ok(Some(_)));
                reports.push(if done { REPLACED } else { REJECTED }, row.order, row.price, row.qty);
            }
        }
    }

    fn resting(&self) -> (i64, i64) {
        let orders: Vec<_> = self.books.iter().flat_map(|book| book.get_all_orders()).collect();
        (orders.len() as i64, orders.iter().map(|order| order.visible_quantity().as_u64() as i64).sum())
    }
}

fn main() {
    serve::<Books>();
}
