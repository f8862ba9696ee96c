// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {BeekeeperBase} from "./BeekeeperBase.sol";
import {CoinData, CoinInfo, CoinStatus} from "./BeekeeperTypes.sol";

/// @title The Stablecoin List: coins that new Hives may use. Entries are never deleted.
/// @notice Freezing a coin stops new Hives with it and nothing else.
abstract contract CoinListing is BeekeeperBase {
    /// @notice Longest code of a coin, bytes.
    uint256 public constant MAX_CODE = 16;

    uint8 private constant _LEAST_DECIMALS = 6;
    uint8 private constant _MOST_DECIMALS = 18;

    /// @notice A Hive's owner asks for a coin; the coin role or a vote answers with `addCoin`.
    function requestCoin(address coin_, string calldata code) external whenNotPaused {
        CoinData storage self = _storage().coins[coin_];
        if (coin_ == address(0)) revert ZeroAddress();
        if (_storage().votes.stakedOf(msg.sender) == 0) revert NotAHiveOwner(msg.sender);
        if (self.status != CoinStatus.NONE) revert CoinExists(coin_);
        _write(self, CoinStatus.REQUESTED, code);
        emit CoinRequested(coin_, msg.sender, code);
    }

    /// @notice Lists a coin with 6 to 18 decimals.
    /// @param code for people, such as "EURX"
    /// @param minPenaltyMicro least penalty of a lie in a close, micro-coins; copied by Hives made from now on
    function addCoin(address coin_, string calldata code, uint64 minPenaltyMicro) external whenNotPaused {
        CoinData storage self = _storage().coins[coin_];
        _onlyCoinRoleOrTimelock();
        if (coin_ == address(0)) revert ZeroAddress();
        if (self.status > CoinStatus.REQUESTED) revert CoinExists(coin_);
        uint8 decimals = IERC20Metadata(coin_).decimals();
        if (decimals < _LEAST_DECIMALS || decimals > _MOST_DECIMALS) revert UnsupportedDecimals(decimals);
        _write(self, CoinStatus.LISTED, code);
        self.minPenalty = minPenaltyMicro;
        emit CoinAdded(coin_, code, minPenaltyMicro);
    }

    /// @notice No new Hives with this coin.
    function freezeCoin(address coin_) external {
        _onlyCoinRoleOrTimelock();
        _listedCoin(coin_).status = CoinStatus.FROZEN;
        _storage().coins[coin_].changedAt = uint48(block.timestamp);
        emit CoinFrozen(coin_);
    }

    /// @notice Lists a frozen coin again; by vote only.
    function unfreezeCoin(address coin_) external onlyTimelock {
        CoinData storage self = _storage().coins[coin_];
        if (self.status != CoinStatus.FROZEN) revert CoinNotFrozen(coin_, self.status);
        (self.status, self.changedAt) = (CoinStatus.LISTED, uint48(block.timestamp));
        emit CoinUnfrozen(coin_);
    }

    /// @notice All that is known of a coin; all zero for an unknown one.
    function coin(address coin_) external view returns (CoinInfo memory) {
        CoinData storage self = _storage().coins[coin_];
        return CoinInfo({
            status: self.status, minPenalty: self.minPenalty, changedAt: self.changedAt, code: self.code
        });
    }

    function _write(CoinData storage self, CoinStatus status, string calldata code) private {
        _limitText(code, MAX_CODE);
        (self.status, self.changedAt) = (status, uint48(block.timestamp));
        self.code = code;
    }

    function _onlyCoinRoleOrTimelock() private view {
        if (msg.sender != _storage().timelock) _checkRole(COIN_ROLE);
    }
}
