// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title ShareRevenue: the revenue of a HiveShares contract, pulled by the holders of its shares.
/// @notice A contract of its own, so that no decision of a majority can touch what is already the holders': HiveShares
/// has one right here, to add a coin. What a holder is owed is read from the balances of the shares, never from an
/// argument. Exact: the number of shares is fixed, so a holder's claim is counted in units of (coin unit x share), is
/// divided only when it is paid, and the remainder stays the holder's. Sum paid + held = received, to the unit.
/// ETH is refused. Not upgradeable.
contract ShareRevenue is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Most coins; bounds what moving a share costs.
    uint256 public constant MAX_COINS = 8;
    /// @notice Most of one coin that is ever booked; with at most 2^128 shares no product overflows.
    uint256 public constant MAX_RECEIVED = type(uint128).max;

    /// Of one coin, in its smallest unit.
    struct Books {
        bool listed;
        uint128 received;
        uint128 paid;
    }

    /// `seen`: what was received when the holder was last settled. `claim`: coin units x shares not yet paid.
    struct Claim {
        uint256 seen;
        uint256 claim;
    }

    IERC20 private immutable _shares;
    IERC20[] private _coins;
    mapping(IERC20 coin => Books) private _books;
    mapping(IERC20 coin => mapping(address holder => Claim)) private _claims;

    event CoinAdded(IERC20 indexed coin);
    event RevenueBooked(IERC20 indexed coin, uint256 amount);
    event RevenuePulled(IERC20 indexed coin, address indexed holder, address to, uint256 amount);

    error NotShares(address caller);
    error NoContract(IERC20 coin);
    error CoinListed(IERC20 coin);
    error CoinNotListed(IERC20 coin);
    error CoinIsShares();
    error TooManyCoins(uint256 most);
    error ReceivedTooMuch(uint256 received, uint256 most);
    error NothingToPull(IERC20 coin, address holder);
    error TransferNotExact(uint256 expectedLeft, uint256 left);

    /// @notice Made by HiveShares itself, which becomes the one contract whose balances count.
    constructor(IERC20[] memory coins_) {
        _shares = IERC20(msg.sender);
        for (uint256 i = 0; i < coins_.length; ++i) {
            _add(coins_[i]);
        }
    }

    // ---- Coins in

    /// @notice Adds a coin for good. By a decision of the share holders.
    function addCoin(IERC20 coin) external {
        if (msg.sender != address(_shares)) revert NotShares(msg.sender);
        _add(coin);
    }

    /// @notice Books what has arrived of a coin as revenue of all shares. Anyone may call; paying in is a plain
    /// transfer to this contract. Counts what is here, so a coin that takes a fee on transfer does no harm.
    /// @return amount newly booked, smallest unit; 0 when nothing has come
    function book(IERC20 coin) external nonReentrant returns (uint256 amount) {
        return _book(coin);
    }

    // ---- Coins out

    /// @notice Pays the caller its revenue of a coin, to an address of its choice (another one where the coin blocks
    /// the caller's). Rounded down; the rest of a unit stays owed. A coin that takes more or less from here is refused.
    /// @return amount paid, smallest unit
    function pull(IERC20 coin, address to) external nonReentrant returns (uint256 amount) {
        _book(coin);
        _settle(coin, msg.sender);
        Claim storage claim = _claims[coin][msg.sender];
        uint256 supply = _shares.totalSupply();
        amount = claim.claim / supply;
        if (amount == 0) revert NothingToPull(coin, msg.sender);
        claim.claim -= amount * supply;
        // casting to 'uint128' is safe because no more is paid than was received
        _books[coin].paid += uint128(amount);
        emit RevenuePulled(coin, msg.sender, to, amount);
        uint256 expected = coin.balanceOf(address(this)) - amount;
        coin.safeTransfer(to, amount);
        uint256 left = coin.balanceOf(address(this));
        if (left != expected) revert TransferNotExact(expected, left);
    }

    // ---- For HiveShares, before shares move

    /// @notice Writes down what two holders have earned with the shares they have now. HiveShares calls it before
    /// every transfer; at any other time it changes no one's claim. Calls no coin, so that none can block a transfer.
    function settle(address from, address to) external {
        for (uint256 i = 0; i < _coins.length; ++i) {
            _settle(_coins[i], from);
            _settle(_coins[i], to);
        }
    }

    // ---- Views

    /// @notice What a holder can pull now of what is booked, smallest unit.
    function due(IERC20 coin, address holder) external view returns (uint256) {
        Claim storage claim = _claims[coin][holder];
        return (claim.claim + _earned(coin, holder, claim.seen)) / _shares.totalSupply();
    }

    /// @notice Booked and paid of a coin since the beginning, smallest unit.
    function booksOf(IERC20 coin) external view returns (bool listed, uint256 received, uint256 paid) {
        Books storage books = _books[coin];
        return (books.listed, books.received, books.paid);
    }

    /// @notice Every coin whose revenue is shared.
    function coins() external view returns (IERC20[] memory) {
        return _coins;
    }

    /// @notice The shares whose balances count.
    function shares() external view returns (IERC20) {
        return _shares;
    }

    // ---- Private

    function _add(IERC20 coin) private {
        if (address(coin).code.length == 0) revert NoContract(coin);
        if (address(coin) == address(_shares)) revert CoinIsShares();
        if (_books[coin].listed) revert CoinListed(coin);
        if (_coins.length == MAX_COINS) revert TooManyCoins(MAX_COINS);
        _books[coin].listed = true;
        _coins.push(coin);
        emit CoinAdded(coin);
    }

    /// A balance below what is owed (a coin that takes from its holders) books nothing.
    function _book(IERC20 coin) private returns (uint256 amount) {
        Books storage books = _books[coin];
        if (!books.listed) revert CoinNotListed(coin);
        uint256 held = books.received - books.paid;
        uint256 balance = coin.balanceOf(address(this));
        if (balance <= held) return 0;
        amount = balance - held;
        if (amount > MAX_RECEIVED - books.received) revert ReceivedTooMuch(amount, MAX_RECEIVED);
        // casting to 'uint128' is safe because of the line above
        books.received += uint128(amount);
        emit RevenueBooked(coin, amount);
    }

    function _settle(IERC20 coin, address holder) private {
        Claim storage claim = _claims[coin][holder];
        uint256 earned = _earned(coin, holder, claim.seen);
        if (earned != 0) claim.claim += earned;
        uint256 received = _books[coin].received;
        if (claim.seen != received) claim.seen = received;
    }

    function _earned(IERC20 coin, address holder, uint256 seen) private view returns (uint256) {
        return _shares.balanceOf(holder) * (_books[coin].received - seen);
    }
}
