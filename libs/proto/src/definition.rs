// SPDX-License-Identifier: BSD-2-Clause
//! The macro that turns a protocol's definition into client arguments, a server's request and a manual page.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An operation: its arguments are the implementing struct.
pub trait Operation: Serialize + DeserializeOwned {
    /// Label of the message: protocol number in the high half, operation number in the low.
    const LABEL: u32;
    /// What the server answers.
    type Reply: Serialize + DeserializeOwned;
}

/// The label or the bytes are not of this protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// An operation as the manual shows it.
#[derive(Clone, Copy, Debug)]
pub struct ManualEntry {
    /// Its name.
    pub name: &'static str,
    /// What it means, and its errors; a paragraph a line.
    pub text: &'static [&'static str],
}

/// Label of an answer that carries the reply.
pub const LABEL_OK: u32 = 0;
/// Label of an answer whose first word is an error's number.
pub const LABEL_ERROR: u32 = 1;

/// Defines a protocol.
macro_rules! protocol {
    (
        number $number:literal;
        $(
            $(#[doc = $doc:literal])+
            $code:literal $name:ident { $($(#[doc = $fdoc:literal])* $field:ident : $type:ty),* $(,)? } -> $reply:ty;
        )+
    ) => {
        /// Number of the protocol: the high half of its labels.
        pub const NUMBER: u16 = $number;

        $(
            $(#[doc = $doc])+
            #[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
            pub struct $name { $($(#[doc = $fdoc])* #[allow(missing_docs)] pub $field: $type,)* }

            impl $crate::Operation for $name {
                const LABEL: u32 = ($number << 16) | $code;
                type Reply = $reply;
            }
        )+

        /// A request, as the server sees it.
        #[derive(Clone, PartialEq, Debug)]
        #[allow(missing_docs)]
        pub enum Request { $($name($name),)+ }

        impl Request {
            /// Decodes a message of this protocol.
            pub fn decode(label: u32, bytes: &[u8]) -> Result<Request, $crate::Malformed> {
                match label {
                    $(<$name as $crate::Operation>::LABEL => {
                        $crate::codec::decode(bytes).map(Request::$name).map_err(|_| $crate::Malformed)
                    })+
                    _ => Err($crate::Malformed),
                }
            }
        }

        /// The manual page.
        pub const MANUAL: &[$crate::ManualEntry] =
            &[$($crate::ManualEntry { name: stringify!($name), text: &[$($doc),+] },)+];
    };
}
