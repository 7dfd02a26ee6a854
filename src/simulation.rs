//! Doubles of the services that stand around a healer, each speaking its own protocol over loopback HTTP. They know
//! nothing of us, take their time from whoever starts them, and are never kinder than what they stand for.

pub mod faults;
pub mod serve;
pub mod slack;
pub mod teams;
